#include "llm/generate/token_mask.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace oag {
namespace {

TEST(TokenMask, CopiesWhatABitAllowsAndBarsTheRest) {
  std::mt19937 random(1);
  for (const size_t tokens : {1u, 31u, 32u, 33u, 64u, 100u, 1000u}) {
    for (const size_t words : {mask_words(tokens), mask_words(tokens) / 2, mask_words(tokens) + 2}) {
      std::vector<float> logits(tokens), row(tokens, 77.0f);
      std::vector<uint32_t> mask(words);
      for (float& logit : logits) logit = static_cast<float>(random() % 100);
      for (uint32_t& word : mask)
        word = random() % 3 == 0 ? 0 : random() % 2 == 0 ? ~0u : static_cast<uint32_t>(random());
      copy_allowed(logits, mask, row);
      for (size_t i = 0; i < tokens; ++i) {
        const bool allowed = i / 32 < words && (mask[i / 32] >> (i % 32) & 1) == 1;
        ASSERT_EQ(row[i], allowed ? logits[i] : -std::numeric_limits<float>::infinity())
            << i << " of " << tokens;
      }
    }
  }
}

TEST(TokenMask, HoldsTheIdsItWasMadeOf) {
  const std::vector<TokenId> ids = {64, 0, 31, 32, 31};
  EXPECT_EQ(mask_of(ids), (std::vector<uint32_t>{0x80000001u, 1u, 1u}));
  EXPECT_TRUE(mask_of({}).empty());
}

}  // namespace
}  // namespace oag
