// GGUF models with a SentencePiece vocabulary, made by this project's writer; the ids are those of PyPI
// sentencepiece.
#include <gtest/gtest.h>

#include "llm/bundle/bundle.h"
#include "tests/golden/made_models.h"
#include "tests/golden/model_probe.h"
#include "tests/tiny_models.h"

namespace oag::test {
namespace {

class SentencePieceModel : public ::testing::TestWithParam<const char*> {};

TEST_P(SentencePieceModel, TokenizesAsItsVocabularysLibraryDoesAfterTheWayThroughAFile) {
  const auto fixture = testing::load_tokenizer_fixture(std::string(OAG_SOURCE_DIR) +
                                                       "/tests/data/tokenizer/" + GetParam() + ".json");
  ASSERT_EQ(fixture.suites.size(), 2u) << "with and without a space in front";
  for (const testing::TokenizerSuite& suite : fixture.suites) {
    const std::filesystem::path path =
        tiny_models_detail::scratch_folder() / (std::string(GetParam()) + ".sentencepiece.gguf");
    write_sentencepiece_model(fixture.vocabulary_of(suite), path);
    const ModelBundle bundle = load_bundle(path);
    EXPECT_EQ(bundle.tokenizer->adds_space_prefix(), *suite.add_space_prefix);
    EXPECT_EQ(bundle.fallback_template, "llama-2");
    ASSERT_GT(suite.cases.size(), 100u);
    for (const testing::TokenizerCase& one : suite.cases) {
      const EncodeOptions options{.parse_special = suite.parse_special, .add_special = false};
      EXPECT_EQ(bundle.tokenizer->encode(one.text, options), one.ids) << one.text;
      EXPECT_EQ(bundle.tokenizer->decode(one.ids, false), one.decoded) << one.text;
    }
    // The file is a model, not only a vocabulary.
    Lane lane;
    lane.prompt = bundle.tokenizer->encode("hello");
    ModelProbe(bundle, {}).run(lane);
    EXPECT_EQ(lane.greedy.size(), 8u);
    std::filesystem::remove(path);
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, SentencePieceModel, ::testing::Values("spm", "spm_trained"));

}  // namespace
}  // namespace oag::test
