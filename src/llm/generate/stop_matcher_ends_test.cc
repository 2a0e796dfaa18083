#include <gtest/gtest.h>

#include "llm/generate/stop_matcher.h"

namespace oag {
namespace {

// As in GLM-4.1V: </answer> is ordinary text to the tokenizer, and its id ends an answer.
std::shared_ptr<const Tokenizer> tokenizer_of_agent() {
  Vocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.tokens = {"a", "b", "</answer>"};
  vocabulary.types = {TokenType::kNormal, TokenType::kNormal, TokenType::kUserDefined};
  vocabulary.more_end_ids = {2};
  return Tokenizer::create(std::move(vocabulary));
}

std::string text_of(bool skip_special, const std::vector<std::string>& stops) {
  StopMatcher matcher(tokenizer_of_agent(), stops, skip_special);
  std::string text;
  for (const TokenId id : {0, 2, 2, 1}) text += matcher.push(id);
  return text + matcher.flush();
}

TEST(StopMatcherEnds, TokensThatEndAnswersAreNoTextWhereTheyAreIgnored) {
  EXPECT_EQ(text_of(true, {}), "ab");
  EXPECT_EQ(text_of(false, {}), "a</answer></answer>b");
}

TEST(StopMatcherEnds, TheStopThatWasFoundIsNamed) {
  StopMatcher matcher(tokenizer_of_agent(), {"x", "ab", "b"});
  matcher.push(0);
  EXPECT_FALSE(matcher.matched());
  matcher.push(1);
  ASSERT_TRUE(matcher.matched());
  EXPECT_EQ(matcher.stop(), "ab");
}

}  // namespace
}  // namespace oag
