#include "llm/generate/step_shares.h"

#include <gtest/gtest.h>

namespace oag {
namespace {

constexpr auto kNobodyWaits = [](size_t, std::span<const size_t>) { return false; };

std::vector<int64_t> shares(std::vector<PromptShare> prompts, int64_t budget) {
  share_step(prompts, budget, kNobodyWaits);
  std::vector<int64_t> tokens;
  for (const PromptShare& prompt : prompts) tokens.push_back(prompt.tokens);
  return tokens;
}

using Tokens = std::vector<int64_t>;

TEST(StepShares, OnePromptTakesAll) {
  EXPECT_EQ(shares({{0, 1000}}, 128), (Tokens{128}));
  EXPECT_EQ(shares({{0, 10}}, 128), (Tokens{10}));
  EXPECT_EQ(shares({}, 128), (Tokens{}));
  EXPECT_EQ(shares({{0, 10}}, 0), (Tokens{0}));
}

TEST(StepShares, AShortPromptNeedNotWaitForALongOne) {
  EXPECT_EQ(shares({{0, 25000}, {0, 10}}, 128), (Tokens{118, 10}));
  EXPECT_EQ(shares({{0, 25000}, {0, 9000}, {0, 10}}, 128), (Tokens{64, 54, 10}));
}

TEST(StepShares, TheFirstPromptKeepsHalf) {
  EXPECT_EQ(shares({{0, 25000}, {0, 60}, {0, 50}, {0, 40}}, 129), (Tokens{65, 0, 24, 40}));
  EXPECT_EQ(shares({{0, 25000}, {0, 40}}, 1), (Tokens{1, 0}));
}

TEST(StepShares, HigherPrioritiesTakeWhatTheyCanUse) {
  EXPECT_EQ(shares({{2, 500}, {2, 300}, {1, 10}}, 128), (Tokens{64, 64, 0}));
  EXPECT_EQ(shares({{2, 50}, {1, 500}, {1, 10}}, 128), (Tokens{50, 68, 10}));
}

TEST(StepShares, WhoWaitsLeavesItsShareToOthers) {
  std::vector<PromptShare> prompts = {{0, 500}, {0, 20}, {0, 30}};
  std::vector<size_t> before;
  share_step(prompts, 128, [&](size_t prompt, std::span<const size_t> others) {
    if (prompt == 1) before.assign(others.begin(), others.end());
    return prompt == 1;
  });
  EXPECT_EQ(before, std::vector<size_t>{0});
  EXPECT_EQ(prompts[0].tokens, 98);
  EXPECT_EQ(prompts[1].tokens, 0);
  EXPECT_EQ(prompts[2].tokens, 30);
}

}  // namespace
}  // namespace oag
