#include "llm/text/tokenizer_json_writer.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "llm/text/tokenizer_json.h"

namespace oag {
namespace {

namespace fs = std::filesystem;

fs::path tokenizer_folder(const std::string& name) {
  return fs::path(OAG_SOURCE_DIR) / "tests" / "data" / "hugging_face" / "tokenizers" / name;
}

std::shared_ptr<const Tokenizer> read_tokenizer(std::string_view text) {
  return Tokenizer::create(read_tokenizer_json(text, "tokenizer.json"));
}

class WrittenTokenizer : public ::testing::TestWithParam<const char*> {};

// tok_cases.json: texts and their ids as the tokenizers package gives them.
void expect_cases(const Tokenizer& tokenizer, const std::string& name) {
  const fs::path path = tokenizer_folder(name) / "tok_cases.json";
  const Json cases = parse_json(read_file(path), path.string());
  ASSERT_FALSE(cases.empty());
  for (const Json& one : cases) {
    EXPECT_EQ(
        tokenizer.encode(one.at("text").get<std::string>(), {.parse_special = true, .add_special = false}),
        one.at("ids").get<std::vector<TokenId>>())
        << one.at("text");
  }
}

TEST_P(WrittenTokenizer, GivesTheIdsOfTheTokenizersPackage) {
  const auto original = read_tokenizer(read_file(tokenizer_folder(GetParam()) / "tokenizer.json"));
  expect_cases(*read_tokenizer(write_tokenizer_json(*original, "model")), GetParam());
}

TEST_P(WrittenTokenizer, HasTheSameTokensAndMerges) {
  const auto original = read_tokenizer(read_file(tokenizer_folder(GetParam()) / "tokenizer.json"));
  const auto again = read_tokenizer(write_tokenizer_json(*original, "model"));
  EXPECT_EQ(original->vocabulary().tokens, again->vocabulary().tokens);
  EXPECT_EQ(original->vocabulary().types, again->vocabulary().types);
  EXPECT_EQ(original->vocabulary().merges, again->vocabulary().merges);
  EXPECT_EQ(original->vocabulary().pre, again->vocabulary().pre);
}

INSTANTIATE_TEST_SUITE_P(All, WrittenTokenizer, ::testing::Values("llama", "qwen", "glm", "spm"),
                         [](const auto& info) { return std::string(info.param); });

TEST(WrittenTokenizerOfScores, GivesTheIdsOfTheTokenizersPackage) {
  Vocabulary vocabulary =
      read_tokenizer_json(read_file(tokenizer_folder("spm") / "tokenizer.json"), "tokenizer.json");
  // As GGUF has it: scores instead of merges, earlier merges first.
  vocabulary.scores.assign(vocabulary.tokens.size(), -1e6f);
  for (size_t i = 0; i < vocabulary.merges.size(); ++i) {
    std::string token = vocabulary.merges[i];
    token.erase(token.find(' '), 1);
    const auto at = std::find(vocabulary.tokens.begin(), vocabulary.tokens.end(), token);
    float& score = vocabulary.scores[static_cast<size_t>(at - vocabulary.tokens.begin())];
    score = std::max(score, -static_cast<float>(i));
  }
  vocabulary.merges.clear();
  const auto original = Tokenizer::create(std::move(vocabulary));
  expect_cases(*read_tokenizer(write_tokenizer_json(*original, "model")), "spm");
}

TEST(WrittenTokenizerFrame, PutsTheTokensAroundATextThatTheModelWants) {
  Vocabulary vocabulary =
      read_tokenizer_json(read_file(tokenizer_folder("llama") / "tokenizer.json"), "tokenizer.json");
  vocabulary.bos = 1;
  vocabulary.eos = 2;
  vocabulary.add_bos = vocabulary.add_eos = true;
  const auto again = read_tokenizer(write_tokenizer_json(*Tokenizer::create(vocabulary), "model"));
  const std::vector<TokenId> ids = again->encode("hello");
  EXPECT_EQ(ids.front(), 1);
  EXPECT_EQ(ids.back(), 2);
}

TEST(WrittenTokenizerRefuses, PretokenizersWithoutATokenizerJson) {
  Vocabulary vocabulary =
      read_tokenizer_json(read_file(tokenizer_folder("llama") / "tokenizer.json"), "tokenizer.json");
  vocabulary.pre = "falcon";
  const auto tokenizer = Tokenizer::create(vocabulary);
  try {
    write_tokenizer_json(*tokenizer, "model");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(error.message().find("falcon"), std::string::npos);
  }
}

}  // namespace
}  // namespace oag
