#pragma once

#include "engine/backends/cpu/kernels/vec_neon.h"

// Vectors of Armv8.2-A with the dot product and the int8 matrix extension; vec.h says what each function
// means. One smmla multiplies two rows by two tokens over eight inputs, twice what an sdot does.
namespace oag::cpu::OAG_ISA {

template <int kBits, int T>
struct LevelDots {
  static constexpr int kSteps = 8;
  static constexpr int kPairs = T / 2;
  // [rows 0 and 1, or 2 and 3] of a pair of tokens, the first row's products first.
  int32x4_t pairs[kPairs > 0 ? kPairs : 1][2];
  LevelDot<kBits> odd;  // the last of an odd number of tokens
  Bytes w_before;
  const int8_t* x_before = nullptr;

  LevelDots() {
    for (auto& pair : pairs) pair[0] = pair[1] = vdupq_n_s32(0);
  }
  // Waits at even steps: a product takes eight inputs.
  void add(Bytes w, const int8_t* x, int step) {
    if constexpr (T % 2 == 1) odd.add(w, x + 4 * (T - 1));
    if constexpr (T > 1) {
      if (step % 2 == 0) {
        w_before = w;
        x_before = x;
        return;
      }
      const auto first = reinterpret_cast<int32x4_t>(w_before), second = reinterpret_cast<int32x4_t>(w);
      const int8x16_t rows[2] = {vreinterpretq_s8_s32(vzip1q_s32(first, second)),
                                 vreinterpretq_s8_s32(vzip2q_s32(first, second))};
#pragma GCC unroll 4
      for (int p = 0; p < kPairs; ++p) {
        int32x2_t low, high;
        memcpy(&low, x_before + 8 * p, sizeof low);
        memcpy(&high, x + 8 * p, sizeof high);
        const int8x16_t tokens =
            vreinterpretq_s8_s32(vcombine_s32(vzip1_s32(low, high), vzip2_s32(low, high)));
        for (int r = 0; r < 2; ++r) pairs[p][r] = vmmlaq_s32(pairs[p][r], rows[r], tokens);
      }
    }
  }
  void flush() {}
  F value(int t) const {
    if (T % 2 == 1 && t == T - 1) return odd.value();
    const int32x4_t* pair = pairs[t / 2];
    return vcvtq_f32_s32(t % 2 == 0 ? vuzp1q_s32(pair[0], pair[1]) : vuzp2q_s32(pair[0], pair[1]));
  }
};

}  // namespace oag::cpu::OAG_ISA
