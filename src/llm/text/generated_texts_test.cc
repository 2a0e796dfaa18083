// Ids and decoded text of 10,000 generated texts a tokenizer against the tokenizers package (chatglm3: the
// sentencepiece package), see tests/data/tokenizer/generated/README.md. The vocabularies are small ones: the
// real files of these families are too large for the tree or not free to copy, their pre-tokenizers,
// normalizers and special tokens are the real ones. "llama", "bert" and those ending in "_trained" were
// trained as the family cuts text; the others share merges that were learned on uncut text, so that a wrong
// cut always shows.
#include <gtest/gtest.h>

#include <algorithm>

#include "llm/text/tokenizer_json.h"
#include "tests/support/generated_texts.h"
#include "tests/support/tokenizer_fixture.h"

namespace oag {
namespace {

using testing::compare_generated;

const std::vector<std::string>& generated_texts() {
  static const std::vector<std::string> kTexts = testing::GeneratedTexts().make_all();
  return kTexts;
}

Json read_data(const std::filesystem::path& path) {
  return parse_json(read_file(path), path.string());
}

TEST(GeneratedTexts, AreThoseThatTheOraclesSaw) {
  const std::vector<std::string> expected = testing::generated_lines("texts");
  ASSERT_EQ(expected.size(), size_t{testing::kGeneratedBlocks});
  for (size_t block = 0; block < expected.size(); ++block) {
    Fnv1a hash;
    for (size_t i = 0; i < testing::kTextsOfBlock; ++i)
      hash.add(generated_texts()[block * testing::kTextsOfBlock + i]);
    ASSERT_EQ(fmt::format("{:016x}", hash.value()), expected[block])
        << "the generator differs from generated_texts.py in block " << block;
  }
}

class GeneratedTextsOf : public ::testing::TestWithParam<const char*> {};

TEST_P(GeneratedTextsOf, GiveTheIdsAndTextOfTheOracle) {
  const Json recipe = read_data(testing::generated_folder() / "tokenizers.json").at(GetParam());
  const std::filesystem::path path =
      std::filesystem::path(OAG_SOURCE_DIR) / "tests/data" / recipe.at("file").get<std::string>();
  std::vector<std::string> texts = generated_texts();
  if (recipe.at("kind") == "sentencepiece") {
    // The package takes a zero for the end of a text.
    for (std::string& text : texts) std::ranges::replace(text, '\0', ' ');
    const testing::TokenizerFixture fixture = testing::load_tokenizer_fixture(path);
    Vocabulary vocabulary = fixture.vocabulary;
    vocabulary.pre = "default";
    vocabulary.add_space_prefix = true;
    EXPECT_EQ(compare_generated(*Tokenizer::create(vocabulary), texts, GetParam(), false), "");
    return;
  }
  Json json = read_data(path);
  json.merge_patch(recipe.at("patch"));
  const auto tokenizer = Tokenizer::create(read_tokenizer_json(json.dump(), path.string()));
  EXPECT_EQ(compare_generated(*tokenizer, texts, GetParam()), "");
}

INSTANTIATE_TEST_SUITE_P(All, GeneratedTextsOf,
                         ::testing::Values("llama", "llama_metaspace", "chatglm3", "llama3", "llama3_trained",
                                           "smollm2", "smollm2_trained", "qwen", "qwen_trained", "glm4",
                                           "glm4_trained", "glm", "glm_trained", "bert", "bert_cased"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace oag
