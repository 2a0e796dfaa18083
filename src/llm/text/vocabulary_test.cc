#include "llm/text/vocabulary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

#include "base/error.h"
#include "llm/text/tokenizer.h"

namespace oag {
namespace {

Vocabulary small_vocabulary() {
  Vocabulary out;
  out.model = "gpt2";
  out.pre = "gpt-2";
  out.tokens = {"a", "b", "ab"};
  out.types.assign(3, TokenType::kNormal);
  out.merges = {"a b"};
  out.eos = 2;
  return out;
}

// The one line that refuses the vocabulary after `spoil`.
std::string refusal(const std::function<void(Vocabulary&)>& spoil) {
  Vocabulary vocabulary = small_vocabulary();
  spoil(vocabulary);
  try {
    Tokenizer::create(vocabulary, "model.gguf");
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
  return "accepted";
}

TEST(Vocabulary, RefusesWhatContradictsItself) {
  EXPECT_EQ(refusal([](Vocabulary&) {}), "accepted");
  EXPECT_EQ(refusal([](Vocabulary& v) { v.tokens.clear(); }),
            "model.gguf: the tokenizer has no tokens; the file is incomplete");
  EXPECT_EQ(refusal([](Vocabulary& v) { v.types.pop_back(); }),
            "model.gguf: the tokenizer has 2 token types for 3 tokens; the counts must be equal");
  EXPECT_EQ(refusal([](Vocabulary& v) { v.scores = {1}; }),
            "model.gguf: the tokenizer has 1 scores for 3 tokens; the counts must be equal");
  EXPECT_EQ(refusal([](Vocabulary& v) { v.model = "llama", v.merges.clear(); }),
            "model.gguf: the tokenizer has 0 scores for 3 tokens; the counts must be equal");
  EXPECT_EQ(refusal([](Vocabulary& v) { v.scores = {1, std::nanf(""), 2}; }),
            "model.gguf: the score of token 1 is not a number");
  EXPECT_EQ(refusal([](Vocabulary& v) { v.types[1] = static_cast<TokenType>(9); }),
            "model.gguf: token 1 has type 9; types are 1 to 6");
  EXPECT_EQ(refusal([](Vocabulary& v) { v.eos = 3; }),
            "model.gguf: the eos token id is 3; it must be between 0 and 2");
  EXPECT_EQ(refusal([](Vocabulary& v) { v.padding = -1; }),
            "model.gguf: the padding token id is -1; it must be between 0 and 2");
  EXPECT_EQ(refusal([](Vocabulary& v) { v.more_end_ids = {1, 99}; }),
            "model.gguf: the end token id is 99; it must be between 0 and 2");
  EXPECT_NE(refusal([](Vocabulary& v) { v.model = "bert"; }).find("tokenizer model 'bert' is not supported"),
            std::string::npos);
}

TEST(Vocabulary, RefusesMergesThatAreNotTwoParts) {
  for (const char* merge : {"", "ab", " ", " ab", "ab "}) {
    EXPECT_EQ(refusal([&](Vocabulary& v) { v.merges = {"a b", merge}; }),
              "model.gguf: merge 1 is not two parts with a space between them")
        << merge;
  }
}

TEST(Vocabulary, RefusesTokensThatAreTooLong) {
  EXPECT_EQ(refusal([](Vocabulary& v) { v.tokens[0] = std::string(kMaxTokenBytes + 1, 'x'); }),
            "model.gguf: token 0 is 16385 bytes long, more than the limit of 16384");
  EXPECT_EQ(refusal([](Vocabulary& v) {
              v.tokens[0] = std::string(2000, 'x');
              v.types[0] = TokenType::kControl;
            }),
            "model.gguf: token 0 is 2000 bytes long, more than the limit of 1024");
}

TEST(Vocabulary, AcceptsAnUnknownPreTokenizerAndEmptyOrEqualTokens) {
  EXPECT_EQ(refusal([](Vocabulary& v) { v.pre = "no-such-pre"; }), "accepted");
  EXPECT_EQ(refusal([](Vocabulary& v) { v.tokens = {"", "", "a"}; }), "accepted");
  EXPECT_EQ(refusal([](Vocabulary& v) { v.types.clear(); }), "accepted");
  EXPECT_EQ(refusal([](Vocabulary& v) { v.merges.clear(); }), "accepted");
}

}  // namespace
}  // namespace oag
