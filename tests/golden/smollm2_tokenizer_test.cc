// SmolLM2's tokenizer against llama.cpp and PyPI tokenizers, see tests/data/smollm2/README.md.
#include <gtest/gtest.h>

#include <string>

#include "base/clock.h"
#include "engine/formats/gguf/gguf_file.h"
#include "tests/golden/smollm2_model.h"
#include "tests/support/generated_texts.h"
#include "tests/support/tokenizer_fixture.h"

namespace oag::test {
namespace {

// 48,900 merges are indexed; about 60 ms on an idle core of 2022.
constexpr double kMostLoadMs = 500;

class SmolLm2Tokenizer : public ::testing::Test {
 protected:
  void SetUp() override {
    OAG_NEED_SMOLLM2();
    file_ = GgufFile::open(smollm2_path());
    const TimePoint begin = Clock::now();
    tokenizer_ = load_tokenizer(*file_);
    load_ms_ = elapsed_ms(begin);
  }
  std::shared_ptr<const GgufFile> file_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  double load_ms_ = 0;
};

TEST_F(SmolLm2Tokenizer, LoadsInAFractionOfASecond) {
  EXPECT_LT(load_ms_, kMostLoadMs);
  RecordProperty("load_ms", fmt::format("{:.1f}", load_ms_));
}

TEST_F(SmolLm2Tokenizer, GivesTheIdsOfLlamaCpp) {
  const Json cases = load_json(smollm2_data("tokens.json"))["cases"];
  ASSERT_EQ(cases.size(), 575u);
  size_t compared = 0;
  for (const Json& one : cases) {
    if (one["special"].is_null()) continue;  // llama.cpp ended the process
    const std::string hex = one["hex"].get<std::string>();
    const std::string text = testing::bytes_of_hex(hex);
    for (const bool special : {true, false}) {
      EXPECT_EQ(tokenizer_->encode(text, {.parse_special = special, .add_special = false}),
                one[special ? "special" : "plain"].get<std::vector<TokenId>>())
          << one["kind"] << " " << hex.substr(0, 120) << (special ? " with" : " without")
          << " special tokens";
      ++compared;
    }
  }
  EXPECT_EQ(compared, 2 * 574u);
}

TEST_F(SmolLm2Tokenizer, GivesTheIdsAndTheTextOfPyPiTokenizers) {
  const std::string path = std::string(OAG_SOURCE_DIR) + "/tests/data/tokenizer/smollm2_corpus.json";
  for (const testing::TokenizerSuite& suite : testing::load_tokenizer_fixture(path).suites) {
    ASSERT_GT(suite.cases.size(), 300u);
    for (const testing::TokenizerCase& one : suite.cases) {
      const EncodeOptions options{.parse_special = suite.parse_special, .add_special = false};
      EXPECT_EQ(tokenizer_->encode(one.text, options), one.ids) << one.text.substr(0, 80);
      EXPECT_EQ(tokenizer_->decode(one.ids, false), one.decoded) << one.text.substr(0, 80);
    }
  }
}

TEST_F(SmolLm2Tokenizer, GivesTheIdsAndTextOfPyPiTokenizersOn10000GeneratedTexts) {
  const testing::GeneratedTexts generator;
  EXPECT_EQ(testing::compare_generated(*tokenizer_, generator.make_all(), "smollm2_model"), "");
}

TEST_F(SmolLm2Tokenizer, GivesTheIdsOfEveryStoredPrompt) {
  const Json cases = load_json(smollm2_data("answers.json"))["cases"];
  for (const Json& one : cases) {
    EXPECT_EQ(
        tokenizer_->encode(one["prompt"].get<std::string>(), {.parse_special = true, .add_special = false}),
        one["prompt_ids"].get<std::vector<TokenId>>())
        << one["name"];
  }
}

}  // namespace
}  // namespace oag::test
