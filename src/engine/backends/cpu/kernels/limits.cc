// Loops that reach what one core can do: reading memory, f32 multiply-adds, int8 multiply-adds.
#include "engine/backends/cpu/kernels/functions.h"
#include "engine/backends/cpu/kernels/vec_math.h"

namespace oag::cpu::OAG_ISA {

float read_all(const float* data, int64_t count) {
  constexpr int kSums = 8;
  F sums[kSums];
  for (int s = 0; s < kSums; ++s) sums[s] = zero();
  for (int64_t i = 0; i + kSums * kLanes <= count; i += kSums * kLanes) {
#pragma GCC unroll 8
    for (int s = 0; s < kSums; ++s) sums[s] = max(sums[s], load(data + i + s * kLanes));
  }
  for (int s = 1; s < kSums; ++s) sums[0] = max(sums[0], sums[s]);
  return max_lane(sums[0]);
}

int64_t f32_multiply_adds(int64_t rounds, const float* two_values, float* result) {
  constexpr int kSums = 12;
  const F a = splat(two_values[0]), b = splat(two_values[1]);
  F sums[kSums];
  for (int s = 0; s < kSums; ++s) sums[s] = splat(static_cast<float>(s));
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 16
    for (int s = 0; s < kSums; ++s) sums[s] = mul_add(sums[s], a, b);
  }
  for (int s = 1; s < kSums; ++s) sums[0] = add(sums[0], sums[s]);
  *result = sum(sums[0]);
  return rounds * kSums * kLanes;
}

int64_t int8_multiply_adds(int64_t rounds, const int8_t* bytes, float* result) {
  constexpr int kTokens = kTileTokens, kSteps = LevelDots<4, kTokens>::kSteps;
  F sums[kTokens];
  for (int t = 0; t < kTokens; ++t) sums[t] = zero();
  for (int64_t i = 0; i < rounds; ++i) {
    LevelDots<4, kTokens> dots;
#pragma GCC unroll 8
    for (int s = 0; s < kSteps; ++s) {
      // Other bytes each round, so that nothing can be computed once for all.
      Bytes w;
      memcpy(&w, bytes + (i + s) % 8 * static_cast<int>(sizeof w), sizeof w);
      dots.add(w, bytes + s * kTokens * 4, s);
    }
    dots.flush();
#pragma GCC unroll 8
    for (int t = 0; t < kTokens; ++t) sums[t] = add(sums[t], dots.value(t));
  }
  for (int t = 1; t < kTokens; ++t) sums[0] = add(sums[0], sums[t]);
  *result = sum(sums[0]);
  return rounds * kTokens * kSteps * kLanes * 4;
}

}  // namespace oag::cpu::OAG_ISA
