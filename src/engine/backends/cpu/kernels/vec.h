#pragma once

// One vector type for kernels that are compiled once per instruction set, in namespace oag::cpu::OAG_ISA:
//   F, kLanes                    a vector of kLanes floats (4 or 8)
//   load store splat zero add sub mul div mul_add(a, b, c) = a · b + c, abs, round (to nearest even)
//   max min                      the second operand where one is NaN
//   sum max_lane                 over the lanes, in a fixed order
//   pow2_near(n)                 2^n for whole n in [-126, 127]
//   f32_of_f16 load_f16 store_f16 load_bf16 load_i8 store_i8 (rounds, saturates)
//   Quants, load_quants(p)       32 bytes
//   dot_unsigned dot_signed      w · x over 32 bytes, as kLanes partial sums; w below 128 (unsigned) or any
//   (signed),
//                                |x| <= 127
//   add_dot_halves               acc + scale_x · (scale_low · w·x of the first 16 values + scale_high · w·x
//   of the last)
// Functions are static and names stand in the set's own namespace: no code for a newer processor reaches a
// symbol that other code may be linked against. For the same reason kernels use no templates or inline
// functions from elsewhere.
#if defined(OAG_VEC_AVX2)
#include "engine/backends/cpu/kernels/vec_avx2.h"
#elif defined(OAG_VEC_NEON)
#include "engine/backends/cpu/kernels/vec_neon.h"
#else
#include "engine/backends/cpu/kernels/vec_baseline.h"
#endif
