#pragma once

// One vector type for kernels that are compiled once per instruction set, in namespace oag::cpu::OAG_ISA:
//   F, kLanes, kRegisters        a vector of kLanes floats (4, 8 or 16), and how many there are
//   load store splat zero add sub mul div mul_add(a, b, c) = a · b + c, abs, round (to nearest even)
//   max min                      the second operand where one is NaN
//   keep_nan(a, b)               a where it is NaN, else b
//   sum max_lane                 over the lanes, in a fixed order
//   store_sums(p, a, b, c, d)    the sums of four vectors, as sum() gives them
//   transpose(v)                 a square of kLanes vectors
//   pow2_near(n)                 2^n for whole n in [-126, 127]
//   f32_of_f16 load_f16 store_f16 load_bf16 load_i8 store_i8 (rounds, saturates)
//   load_pow2                    2^n of kLanes signed bytes n, exactly
//   load_nibbles(p, low, high)   the lower and the upper 4 bits of kLanes bytes
//   Bytes                        4 · kLanes bytes: four for each lane
//   LevelDot<bits>               Σ over steps and a lane's four bytes of w · x, exact, where a step has
//                                its own w and one x[4] for all lanes, |x| <= 127: add(w, x), flush()
//                                after at most kSteps of them, value() in the end. w is below 2^bits, or
//                                signed when bits is 8 and kSignedLevels
//   load_table look_up kLooksUp  a table of 16 bytes, its entries by bytes below 16, whether that is fast
//   LevelDots<bits, T>           the same for T tokens: add(w, x [T][4], step) with steps 0, 1, …, flush(),
//                                value(token)
//   kTileTokens                  how many tokens' LevelDots and sums fit into the registers
// Functions are static and names stand in the set's own namespace: no code for a newer processor reaches a
// symbol that other code may be linked against. For the same reason kernels use no templates or inline
// functions from elsewhere.
#if defined(OAG_VEC_AVX512)
#include "engine/backends/cpu/kernels/vec_avx512.h"
#elif defined(OAG_VEC_AVX2)
#include "engine/backends/cpu/kernels/vec_avx2.h"
#elif defined(OAG_VEC_I8MM)
#include "engine/backends/cpu/kernels/vec_i8mm.h"
#elif defined(OAG_VEC_NEON)
#include "engine/backends/cpu/kernels/vec_neon.h"
#else
#include "engine/backends/cpu/kernels/vec_baseline.h"
#endif

#if !defined(OAG_VEC_I8MM)
namespace oag::cpu::OAG_ISA {

template <int kBits, int T>
struct LevelDots {
  static constexpr int kSteps = LevelDot<kBits>::kSteps;
  LevelDot<kBits> dots[T];

  void add(Bytes w, const int8_t* x, int) {
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) dots[t].add(w, x + 4 * t);
  }
  void flush() {
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) dots[t].flush();
  }
  F value(int t) const { return dots[t].value(); }
};

}  // namespace oag::cpu::OAG_ISA
#endif
