#pragma once

#include <cstddef>
#include <cstdint>

// Vectors of W floats for the quantisers. The same code runs for every W: a lane never meets another lane,
// and sums run down the lanes in one order, so that all instruction sets give the same bytes.

#define OAG_INLINE inline __attribute__((always_inline))

namespace oag::quantize {

constexpr int kLanes = 16;

template <int W>
struct Wide {
  typedef float Floats __attribute__((vector_size(4 * W)));
  typedef int32_t Ints __attribute__((vector_size(4 * W)));
};
template <int W>
using Floats = typename Wide<W>::Floats;
template <int W>
using Ints = typename Wide<W>::Ints;

template <int W>
OAG_INLINE Floats<W> load(const float* from) {
  Floats<W> values;
  __builtin_memcpy(&values, from, sizeof values);
  return values;
}

template <int W>
OAG_INLINE void store(float* to, Floats<W> values) {
  __builtin_memcpy(to, &values, sizeof values);
}

template <int W>
OAG_INLINE Floats<W> splat(float value) {
  return Floats<W>{} + value;
}

// A NaN on the left gives the right side.
template <int W>
OAG_INLINE Floats<W> least(Floats<W> a, Floats<W> b) {
  return a < b ? a : b;
}

template <int W>
OAG_INLINE Floats<W> greatest(Floats<W> a, Floats<W> b) {
  return a > b ? a : b;
}

// Cut to lo..hi (a NaN becomes lo), then rounded to the nearest integer: adding 1.5 * 2^23 leaves no room for
// a fraction. |lo|, |hi| < 2^22.
template <int W>
OAG_INLINE Floats<W> round_into(Floats<W> values, float lo, float hi) {
  constexpr float kNoFraction = 12582912.0f;
  const Floats<W> cut = least<W>(greatest<W>(values, splat<W>(lo)), splat<W>(hi));
  return (cut + kNoFraction) - kNoFraction;
}

// 1 / values, 0 where the value is zero or its inverse overflows.
template <int W>
OAG_INLINE Floats<W> inverse(Floats<W> values) {
  const Floats<W> size = values < 0.0f ? -values : values;
  return size > 0x1p-126f ? 1.0f / values : Floats<W>{};
}

// a / b, 0 where b is no positive number.
template <int W>
OAG_INLINE Floats<W> ratio(Floats<W> a, Floats<W> b) {
  return b > 0.0f ? a / b : Floats<W>{};
}

// What a processor can run decides W: a kernel has a body Body::run<W>(values, blocks, out) that is compiled
// for 4, 8 and 16 lanes.
using Kernel = void (*)(const float* values, size_t blocks, uint8_t* out);

template <typename Body>
void run_4(const float* values, size_t blocks, uint8_t* out) {
  Body::template run<4>(values, blocks, out);
}

#if defined(__x86_64__)
template <typename Body>
__attribute__((target("avx2"))) void run_8(const float* values, size_t blocks, uint8_t* out) {
  Body::template run<8>(values, blocks, out);
}

template <typename Body>
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))) void run_16(const float* values, size_t blocks,
                                                                          uint8_t* out) {
  Body::template run<16>(values, blocks, out);
}

inline int lanes_of_this_processor() {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return 16;
  }
  return __builtin_cpu_supports("avx2") ? 8 : 4;
}
#else
inline int lanes_of_this_processor() {
  return 4;
}
#endif

// The kernel for `lanes` of 4, 8 or 16; no wider than what the build has.
template <typename Body>
Kernel kernel_for(int lanes) {
#if defined(__x86_64__)
  if (lanes == 16) return run_16<Body>;
  if (lanes == 8) return run_8<Body>;
#endif
  return lanes > 0 ? run_4<Body> : nullptr;
}

}  // namespace oag::quantize
