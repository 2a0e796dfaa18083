#include "llm/text/reasoning_counter.h"

#include <gtest/gtest.h>

#include <initializer_list>

namespace oag {
namespace {

int64_t count(std::initializer_list<std::string_view> tokens, bool begins_inside = false) {
  ReasoningCounter counter(begins_inside);
  for (const std::string_view token : tokens) counter.take(token);
  return counter.tokens();
}

TEST(ReasoningCounter, TokensBetweenTheMarksCount) {
  EXPECT_EQ(count({"<think>", "I", " see", ".", "</think>", "Yes", "."}), 3);
  EXPECT_EQ(count({"\n", "<think>", "a", "</think>", "b", "<think>", "c", "d", "</think>", "e"}), 3);
}

TEST(ReasoningCounter, WithoutMarksThereAreNone) {
  EXPECT_EQ(count({}), 0);
  EXPECT_EQ(count({"Yes", ",", " 2", " <", " 3"}), 0);
  EXPECT_EQ(count({"Yes", "</think>", "No"}), 0);
}

TEST(ReasoningCounter, ThePromptMayHaveOpenedThem) {
  EXPECT_EQ(count({"I", " see", "</think>", "Yes"}, true), 2);
  EXPECT_EQ(count({"I", " see", " that"}, true), 3);
  EXPECT_EQ(count({"</think>", "Yes"}, true), 0);
}

TEST(ReasoningCounter, MarksOfSeveralTokensDoNotCount) {
  EXPECT_EQ(count({"<", "think", ">", "I", " see", "</", "think", ">", "Yes"}), 2);
  EXPECT_EQ(count({"<", "th", "e"}), 0);
  EXPECT_EQ(count({"<", "think", ">", "a", " <", "/", " b", "</", "thin"}), 6);  // the answer was cut off
}

TEST(ReasoningCounter, ATokenThatIsPartlyAMarkCountsByItsRest) {
  EXPECT_EQ(count({"<think>\n", "a", "b", "\n</think>\n", "c"}), 4);
  EXPECT_EQ(count({"Hm <think>", "a", "</think>"}), 1);
  EXPECT_EQ(count({"<think>", "a.<", "/think", ">", "b"}), 1);
  EXPECT_EQ(count({"<think>a</think>b<think>c</think>"}), 1);
}

TEST(ReasoningCounter, TokensWithoutBytesCountWhereTheyStand) {
  EXPECT_EQ(count({"", "<think>", "", "a", "</think>", ""}), 2);
}

}  // namespace
}  // namespace oag
