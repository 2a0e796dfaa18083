#include "llm/generate/prompt_lookup.h"

#include <gtest/gtest.h>

namespace oag {
namespace {

using Ids = std::vector<TokenId>;

TEST(PromptLookup, DraftsWhatFollowedTheLongestAndLatestMatch) {
  PromptLookup lookup(4);
  //                          1 2 3 -> 40        9 1 2 3 -> 50          2 3 alone is too short
  EXPECT_EQ(lookup.draft(Ids{1, 2, 3, 40, 41, 9, 1, 2, 3, 50, 51, 1, 2, 3}, 9), (Ids{50, 51, 1, 2}));
  EXPECT_EQ(lookup.draft(Ids{9, 1, 2, 3, 50, 8, 1, 2, 3, 60, 9, 1, 2, 3}, 9), (Ids{50, 8, 1, 2}));
  EXPECT_EQ(lookup.draft(Ids{7, 2, 3, 50, 51, 8, 2, 3}, 9), Ids{});
  EXPECT_EQ(lookup.draft(Ids{1, 2, 3, 4, 5, 6}, 9), Ids{});
}

TEST(PromptLookup, GuessesNoMoreThanThereIsAndRoomFor) {
  PromptLookup lookup(16);
  EXPECT_EQ(lookup.draft(Ids{1, 2, 3, 4, 1, 2, 3}, 16), (Ids{4, 1, 2, 3}));
  EXPECT_EQ(lookup.draft(Ids{1, 2, 3, 4, 1, 2, 3}, 2), (Ids{4, 1}));
  EXPECT_EQ(lookup.draft(Ids{1, 2, 3, 4, 1, 2, 3}, 0), Ids{});
  EXPECT_EQ(lookup.draft(Ids{1, 2, 3, 4, 1, 2, 3}, -1), Ids{});
  EXPECT_EQ(lookup.draft(Ids{5}, 16), Ids{});
  EXPECT_EQ(lookup.draft(Ids{}, 16), Ids{});
  EXPECT_EQ(PromptLookup(0).draft(Ids{1, 2, 3, 4, 1, 2, 3}, 16), Ids{});
  // A run of one token matches itself.
  EXPECT_EQ(lookup.draft(Ids{5, 5, 5, 5}, 16), Ids{5});
}

TEST(PromptLookup, WrongGuessesMakeShorterDraftsAndRightOnesLonger) {
  PromptLookup lookup(8);
  const Ids tokens = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 2, 3};
  EXPECT_EQ(lookup.draft(tokens, 16).size(), 8u);
  lookup.judge(8, 1);
  EXPECT_EQ(lookup.draft(tokens, 16).size(), 1u);
  lookup.judge(1, 1);
  EXPECT_EQ(lookup.draft(tokens, 16).size(), 2u);
  lookup.judge(0, 0);  // nothing was found
  EXPECT_EQ(lookup.draft(tokens, 16).size(), 2u);
  lookup.judge(2, 2);
  lookup.judge(4, 4);
  lookup.judge(8, 8);
  EXPECT_EQ(lookup.draft(tokens, 16).size(), 8u);
  lookup.judge(8, 3);
  EXPECT_EQ(lookup.draft(tokens, 16).size(), 3u);
}

TEST(PromptLookup, LeavesOutDraftsAfterWrongOnes) {
  PromptLookup lookup(8);
  const Ids tokens = {1, 2, 3, 4, 1, 2, 3};
  const auto left_out = [&] {
    int count = 0;
    while (lookup.draft(tokens, 16).empty()) ++count;
    return count;
  };
  for (const int expected : {1, 2, 4, 8, 16, 32, 32}) {
    lookup.judge(1, 0);
    EXPECT_EQ(left_out(), expected);
  }
  lookup.judge(1, 1);
  EXPECT_EQ(left_out(), 0);
  lookup.judge(1, 0);
  EXPECT_EQ(left_out(), 1);
}

}  // namespace
}  // namespace oag
