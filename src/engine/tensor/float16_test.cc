#include "engine/tensor/float16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace oag {
namespace {

#if defined(__aarch64__)
using CompilersHalf = __fp16;  // g++ 12 has no _Float16 there
#else
using CompilersHalf = _Float16;
#endif

float float_of(uint32_t bits) {
  return std::bit_cast<float>(bits);
}

// FNV-1a over the little-endian bit patterns; the goldens are numpy 2.4's, made as
// np.arange(65536, dtype=np.uint16).view(np.float16).astype(np.float32) without the 2046 NaN patterns.
uint64_t hash_of_finite_halves() {
  uint64_t hash = 14695981039346656037u;
  for (uint32_t half = 0; half < 65536; ++half) {
    const float value = f32_from_f16(static_cast<uint16_t>(half));
    if (std::isnan(value)) continue;
    for (uint32_t bits = std::bit_cast<uint32_t>(value), i = 0; i < 4; ++i, bits >>= 8) {
      hash = (hash ^ (bits & 255)) * 1099511628211u;
    }
  }
  return hash;
}

TEST(Float16, EveryHalfWidensAsInNumpy) {
  EXPECT_EQ(hash_of_finite_halves(), 12080191306194942245u);
}

TEST(Float16, EveryHalfSurvivesTheRoundTrip) {
  for (uint32_t half = 0; half < 65536; ++half) {
    const float value = f32_from_f16(static_cast<uint16_t>(half));
    if ((half & 0x7fffu) > 0x7c00u) {
      ASSERT_TRUE(std::isnan(value)) << half;
      ASSERT_TRUE(std::isnan(f32_from_f16(f16_from_f32(value)))) << half;
    } else {
      ASSERT_EQ(f16_from_f32(value), half);
    }
  }
}

// Neighbouring halves and their middle: the middle goes to the even one, a nudge off it to the nearer one.
TEST(Float16, NarrowingRoundsToNearestEven) {
  for (uint32_t half = 0; half < 0x7bffu; ++half) {
    const float low = f32_from_f16(static_cast<uint16_t>(half));
    const float high = f32_from_f16(static_cast<uint16_t>(half + 1));
    const float middle = low + (high - low) / 2;  // exact: f32 has 13 more bits
    ASSERT_EQ(f16_from_f32(middle), half + (half & 1)) << half;
    ASSERT_EQ(f16_from_f32(std::nextafter(middle, 0.0f)), half);
    ASSERT_EQ(f16_from_f32(std::nextafter(middle, high)), half + 1);
    ASSERT_EQ(f16_from_f32(-middle), (half + (half & 1)) | 0x8000u);
  }
  EXPECT_EQ(f16_from_f32(65519.0f), 0x7bffu);
  EXPECT_EQ(f16_from_f32(65520.0f), 0x7c00u);
  EXPECT_EQ(f16_from_f32(3e38f), 0x7c00u);
  EXPECT_EQ(f16_from_f32(0x1p-25f), 0u);
  EXPECT_EQ(f16_from_f32(0x1.000002p-25f), 1u);
}

#ifdef __FLT16_MANT_DIG__
TEST(Float16, RandomFloatsNarrowAsTheCompilersCastDoes) {
  std::mt19937 random(1);
  for (int i = 0; i < 500'000; ++i) {
    // Half of the samples fall into the range of binary16 and around its ends.
    uint32_t bits = random();
    if (i & 1) bits = (bits & 0x807fffffu) | (98 + random() % 48) << 23;
    const float value = float_of(bits);
    if (std::isnan(value)) continue;
    ASSERT_EQ(f16_from_f32(value), std::bit_cast<uint16_t>(static_cast<CompilersHalf>(value))) << value;
  }
}
#endif

TEST(Bfloat16, EveryPatternSurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = f32_from_bf16(static_cast<uint16_t>(bits));
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(f32_from_bf16(bf16_from_f32(value)))) << bits;
    } else {
      ASSERT_EQ(bf16_from_f32(value), bits);
    }
  }
}

TEST(Bfloat16, NarrowingRoundsToNearestEven) {
  for (uint32_t high = 0; high < 0x7f80u; ++high) {
    const uint32_t middle = high << 16 | 0x8000u;
    ASSERT_EQ(bf16_from_f32(float_of(middle)), high + (high & 1));
    ASSERT_EQ(bf16_from_f32(float_of(middle - 1)), high);
    ASSERT_EQ(bf16_from_f32(float_of(middle + 1)), high + 1);
    ASSERT_EQ(bf16_from_f32(float_of(0x80000000u | (middle + 1))), 0x8000u | (high + 1));
  }
}

// A NaN whose payload stands only in the low bits must not become an infinity.
TEST(Bfloat16, NarrowingKeepsNan) {
  EXPECT_TRUE(std::isnan(f32_from_bf16(bf16_from_f32(float_of(0x7f800001u)))));
}

}  // namespace
}  // namespace oag
