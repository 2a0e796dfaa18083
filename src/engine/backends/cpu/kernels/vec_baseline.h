#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

// Vectors of what every processor of the architecture has: SSE2 on x86-64, the compiler's own choice
// elsewhere. There is no fused multiply-add here: mul_add rounds twice. vec.h says what each function means.
namespace oag::cpu::baseline {

typedef float F __attribute__((vector_size(16)));
typedef int32_t I __attribute__((vector_size(16)));
inline constexpr int kLanes = 4;
inline constexpr int kRegisters = 16;
typedef uint8_t Bytes __attribute__((vector_size(16)));

static inline F splat(float x) {
  return F{x, x, x, x};
}
static inline F zero() {
  return splat(0.0f);
}
static inline F load(const float* p) {
  F v;
  memcpy(&v, p, sizeof v);
  return v;
}
static inline void store(float* p, F v) {
  memcpy(p, &v, sizeof v);
}
static inline F add(F a, F b) {
  return a + b;
}
static inline F sub(F a, F b) {
  return a - b;
}
static inline F mul(F a, F b) {
  return a * b;
}
static inline F div(F a, F b) {
  return a / b;
}
static inline F mul_add(F a, F b, F c) {
  return a * b + c;
}
static inline F select(I mask, F a, F b) {
  return reinterpret_cast<F>((mask & reinterpret_cast<I>(a)) | (~mask & reinterpret_cast<I>(b)));
}
static inline F max(F a, F b) {
  return select(a > b, a, b);
}
static inline F min(F a, F b) {
  return select(a < b, a, b);
}
static inline F keep_nan(F a, F b) {
  return select(a == a, b, a);
}
static inline F abs(F a) {
  return reinterpret_cast<F>(reinterpret_cast<I>(a) & 0x7fffffff);
}
// Adding and taking away 1.5 · 2^23 leaves the nearest integer, for magnitudes below 2^22.
static inline F round(F a) {
  return (a + 12582912.0f) - 12582912.0f;
}
static inline float sum(F v) {
  return (v[0] + v[2]) + (v[1] + v[3]);
}
static inline void store_sums(float* p, F a, F b, F c, F d) {
  p[0] = sum(a);
  p[1] = sum(b);
  p[2] = sum(c);
  p[3] = sum(d);
}
static inline float max_lane(F v) {
  const float low = v[0] > v[2] ? v[0] : v[2], high = v[1] > v[3] ? v[1] : v[3];
  return low > high ? low : high;
}
static inline void transpose(F* v) {
  const F a = __builtin_shufflevector(v[0], v[2], 0, 4, 1, 5),
          b = __builtin_shufflevector(v[1], v[3], 0, 4, 1, 5);
  const F c = __builtin_shufflevector(v[0], v[2], 2, 6, 3, 7),
          d = __builtin_shufflevector(v[1], v[3], 2, 6, 3, 7);
  v[0] = __builtin_shufflevector(a, b, 0, 4, 1, 5);
  v[1] = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  v[2] = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  v[3] = __builtin_shufflevector(c, d, 2, 6, 3, 7);
}
static inline F pow2_near(F n) {
  return reinterpret_cast<F>((__builtin_convertvector(n, I) + 127) << 23);
}

static inline float f32_of_f16(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  uint32_t bits = static_cast<uint32_t>(half & 0x7fffu) << 13;
  float value;
  if (bits >= 0x0f800000u) {  // infinity or NaN
    bits |= 0x7f800000u;
  } else {
    memcpy(&value, &bits, sizeof value);
    value *= 0x1p112f;  // moves the exponent bias from 15 to 127; subnormals come out right
    memcpy(&bits, &value, sizeof bits);
  }
  bits |= sign;
  memcpy(&value, &bits, sizeof value);
  return value;
}
static inline uint16_t f16_of_f32(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);  // rounds to 65520 or more
  if (magnitude < 0x38800000u) {  // below 2^-14: adding 0.5 aligns the mantissa to units of 2^-24
    memcpy(&value, &magnitude, sizeof value);
    value += 0.5f;
    memcpy(&bits, &value, sizeof bits);
    return static_cast<uint16_t>(sign | (bits - 0x3f000000u));
  }
  return static_cast<uint16_t>(sign | (magnitude + 0xfffu + (magnitude >> 13 & 1u) - 0x38000000u) >> 13);
}
static inline F load_f16(const uint16_t* p) {
  return F{f32_of_f16(p[0]), f32_of_f16(p[1]), f32_of_f16(p[2]), f32_of_f16(p[3])};
}
static inline void store_f16(uint16_t* p, F v) {
  for (int i = 0; i < kLanes; ++i) p[i] = f16_of_f32(v[i]);
}
static inline F load_bf16(const uint16_t* p) {
  return reinterpret_cast<F>(I{p[0], p[1], p[2], p[3]} << 16);
}
static inline F load_i8(const int8_t* p) {
  return __builtin_convertvector((I{p[0], p[1], p[2], p[3]}), F);
}
static inline void store_i8(int8_t* p, F v) {
  const I wide = __builtin_convertvector(round(v), I);
  for (int i = 0; i < kLanes; ++i)
    p[i] = static_cast<int8_t>(wide[i] < -128 ? -128 : wide[i] > 127 ? 127 : wide[i]);
}

// 2^-127 and 2^-128 are subnormal; for all others the first is the larger.
static inline F load_pow2(const int8_t* p) {
  const I n = {p[0], p[1], p[2], p[3]};
  const I normal = (n + 127) * (1 << 23), subnormal = (n + 129) * (1 << 21);
  return reinterpret_cast<F>(normal > subnormal ? normal : subnormal);
}
static inline void load_nibbles(const uint8_t* p, F* low, F* high) {
  const I wide = {p[0], p[1], p[2], p[3]};
  *low = __builtin_convertvector(wide & 15, F);
  *high = __builtin_convertvector(wide >> 4, F);
}

// SSE2 cannot shuffle bytes.
#if defined(__ARM_NEON)
inline constexpr bool kLooksUp = true;
#else
inline constexpr bool kLooksUp = false;
#endif
static inline Bytes load_table(const uint8_t* p) {
  Bytes table;
  memcpy(&table, p, sizeof table);
  return table;
}
static inline Bytes look_up(Bytes table, Bytes index) {
#if defined(__ARM_NEON)
  return reinterpret_cast<Bytes>(
      vqtbl1q_u8(reinterpret_cast<uint8x16_t>(table), reinterpret_cast<uint8x16_t>(index)));
#else
  for (int i = 0; i < 16; ++i) index[i] = table[index[i]];
  return index;
#endif
}

inline constexpr bool kSignedLevels = false;
inline constexpr int kTileTokens = 4;

#if defined(__SSE2__)
template <int kBits>
struct LevelDot {
  static constexpr int kSteps = 8;
  // Sums of two products each: of lanes 0 and 1, of lanes 2 and 3.
  __m128i low = _mm_setzero_si128(), high = _mm_setzero_si128();

  void add(Bytes w, const int8_t* x) {
    int32_t four;
    memcpy(&four, x, sizeof four);
    const __m128i bytes = _mm_set1_epi32(four), levels = reinterpret_cast<__m128i>(w);
    const __m128i wide = _mm_srai_epi16(_mm_unpacklo_epi8(bytes, bytes), 8);
    low = _mm_add_epi32(low, _mm_madd_epi16(_mm_unpacklo_epi8(levels, _mm_setzero_si128()), wide));
    high = _mm_add_epi32(high, _mm_madd_epi16(_mm_unpackhi_epi8(levels, _mm_setzero_si128()), wide));
  }
  void flush() {}
  F value() const {
    const __m128 a = _mm_castsi128_ps(low), b = _mm_castsi128_ps(high);
    const __m128i even = _mm_castps_si128(_mm_shuffle_ps(a, b, 0x88));
    const __m128i odd = _mm_castps_si128(_mm_shuffle_ps(a, b, 0xdd));
    return _mm_cvtepi32_ps(_mm_add_epi32(even, odd));
  }
};
#else
template <int kBits>
struct LevelDot {
  static constexpr int kSteps = 8;
  I total = {0, 0, 0, 0};

  void add(Bytes w, const int8_t* x) {
    for (int i = 0; i < 4; ++i) total += I{w[i], w[4 + i], w[8 + i], w[12 + i]} * int32_t{x[i]};
  }
  void flush() {}
  F value() const { return __builtin_convertvector(total, F); }
};
#endif

}  // namespace oag::cpu::baseline
