#include "llm/generate/repetition_detector.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <span>

namespace oag {
namespace {

// As RepetitionLimit says it, from the whole text.
bool goes_round(std::span<const TokenId> text, const RepetitionLimit& limit) {
  for (int64_t p = limit.min_pattern; p <= limit.max_pattern; ++p) {
    const int64_t length = p * limit.min_count;
    if (length > static_cast<int64_t>(text.size())) break;
    const auto tail = text.last(static_cast<size_t>(length));
    const auto pattern = tail.first(static_cast<size_t>(p));
    bool repeats = true;
    for (size_t i = 0; i < tail.size(); ++i) repeats &= tail[i] == pattern[i % pattern.size()];
    if (repeats) return true;
  }
  return false;
}

TEST(RepetitionDetector, FindsWhatALookAtTheWholeTextFinds) {
  std::mt19937 random(5);
  int found = 0;
  for (int round = 0; round < 400; ++round) {
    RepetitionLimit limit;
    limit.min_pattern = 1 + static_cast<int64_t>(random() % 3);
    limit.max_pattern = limit.min_pattern + static_cast<int64_t>(random() % 6);
    limit.min_count = 2 + static_cast<int64_t>(random() % 3);
    RepetitionDetector detector(limit);
    std::vector<TokenId> text;
    const uint32_t letters = 1 + static_cast<uint32_t>(random() % 3);
    for (int i = 0; i < 60; ++i) {
      // Now and then what came before once more, so that long patterns come about.
      const size_t back = 1 + random() % 8;
      const bool again = random() % 4 != 0 && back <= text.size();
      text.push_back(again ? text[text.size() - back] : static_cast<TokenId>(random() % letters));
      const bool expected = goes_round(text, limit);
      ASSERT_EQ(detector.push(text.back()), expected) << "round " << round << ", token " << i;
      found += expected;
    }
  }
  EXPECT_GT(found, 1000);
}

TEST(RepetitionDetector, FindsALongPatternAtItsLastToken) {
  RepetitionLimit limit{.min_pattern = 2, .max_pattern = 64, .min_count = 3};
  RepetitionDetector detector(limit);
  for (TokenId i = 0; i < 500; ++i) ASSERT_FALSE(detector.push(1000 + i));
  for (int i = 0; i < 3 * 64; ++i) ASSERT_EQ(detector.push(i % 64), i == 3 * 64 - 1) << i;
}

TEST(RepetitionDetector, FindsNothingWithoutALimit) {
  RepetitionDetector detector(std::nullopt);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(detector.push(1));
}

}  // namespace
}  // namespace oag
