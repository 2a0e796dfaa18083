#include "llm/generate/thinking_budget.h"

#include <gtest/gtest.h>

namespace oag {
namespace {

constexpr TokenId kA = 0, kThink = 1, kClose = 2, kControl = 3;

std::shared_ptr<const Tokenizer> tokenizer() {
  Vocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.tokens = {"a", "</thi", "nk>", "<answer>"};
  vocabulary.types.assign(vocabulary.tokens.size(), TokenType::kNormal);
  vocabulary.types.back() = TokenType::kControl;
  return Tokenizer::create(std::move(vocabulary));
}

// What comes of an answer whose own tokens would be `wanted`.
std::vector<TokenId> run(const ThinkingLimit& limit, const std::vector<TokenId>& wanted) {
  ThinkingBudget budget(limit, tokenizer());
  std::vector<TokenId> answer;
  for (const TokenId id : wanted) {
    answer.push_back(budget.forced().value_or(id));
    budget.push(answer.back());
  }
  return answer;
}

TEST(ThinkingBudget, PutsTheIdsInWhenTheEndHasNotCome) {
  const ThinkingLimit limit{2, {"</think>"}, {kThink, kClose, kControl}};
  EXPECT_EQ(run(limit, {kA, kA, kA, kA, kA, kA, kA}),
            (std::vector<TokenId>{kA, kA, kThink, kClose, kControl, kA, kA}));
  EXPECT_EQ(run({0, {}, {kThink}}, {kA, kA}), (std::vector<TokenId>{kThink, kA}));
}

TEST(ThinkingBudget, CountsFromWhereTheThoughtBegins) {
  const ThinkingLimit limit{2, {"<answer>"}, {kControl}, "</think>"};
  EXPECT_EQ(run(limit, {kA, kA, kA, kThink, kClose, kA, kA, kA, kA}),
            (std::vector<TokenId>{kA, kA, kA, kThink, kClose, kA, kA, kControl, kA}));
  const std::vector<TokenId> without = {kA, kA, kA, kA, kThink, kA, kA};
  EXPECT_EQ(run(limit, without), without);
  const std::vector<TokenId> in_time = {kThink, kClose, kA, kControl, kA, kA};
  EXPECT_EQ(run(limit, in_time), in_time);
}

TEST(ThinkingBudget, LeavesAnAnswerAloneThatEndsItsThinkingInTime) {
  const std::vector<TokenId> in_time = {kA, kThink, kClose, kA, kA, kA, kA};
  const ThinkingLimit limit{3, {"no", "</think>"}, {kControl}};
  EXPECT_EQ(run(limit, in_time), in_time);
  // One token later is too late, also when the end has begun.
  EXPECT_EQ(run({2, limit.ends, limit.forced}, in_time),
            (std::vector<TokenId>{kA, kThink, kControl, kA, kA, kA, kA}));
}

TEST(ThinkingBudget, HearsOfControlTokens) {
  const std::vector<TokenId> in_time = {kControl, kA, kA, kA};
  EXPECT_EQ(run({2, {"<answer>"}, {kThink}}, in_time), in_time);
}

TEST(ThinkingBudget, WithNothingToPutInDoesNothing) {
  EXPECT_EQ(run({0, {}, {}}, {kA, kA}), (std::vector<TokenId>{kA, kA}));
  ThinkingBudget none(std::nullopt, tokenizer());
  EXPECT_FALSE(none.forced());
}

}  // namespace
}  // namespace oag
