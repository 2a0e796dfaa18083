#pragma once

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

// Vectors of AVX2 with FMA and F16C; vec.h says what each function means.
namespace oag::cpu::avx2 {

using F = __m256;
inline constexpr int kLanes = 8;
inline constexpr int kRegisters = 16;
typedef uint8_t Bytes __attribute__((vector_size(32)));

static inline F splat(float x) {
  return _mm256_set1_ps(x);
}
static inline F zero() {
  return _mm256_setzero_ps();
}
static inline F load(const float* p) {
  return _mm256_loadu_ps(p);
}
static inline void store(float* p, F v) {
  _mm256_storeu_ps(p, v);
}
static inline F add(F a, F b) {
  return _mm256_add_ps(a, b);
}
static inline F sub(F a, F b) {
  return _mm256_sub_ps(a, b);
}
static inline F mul(F a, F b) {
  return _mm256_mul_ps(a, b);
}
static inline F div(F a, F b) {
  return _mm256_div_ps(a, b);
}
static inline F mul_add(F a, F b, F c) {
  return _mm256_fmadd_ps(a, b, c);
}
static inline F max(F a, F b) {
  return _mm256_max_ps(a, b);
}
static inline F min(F a, F b) {
  return _mm256_min_ps(a, b);
}
static inline F keep_nan(F a, F b) {
  return _mm256_blendv_ps(b, a, _mm256_cmp_ps(a, a, _CMP_UNORD_Q));
}
static inline F abs(F a) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
static inline F round(F a) {
  return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline __m128 add_halves(F v) {
  return _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
}
static inline float sum(F v) {
  v = _mm256_add_ps(v, _mm256_permute_ps(v, 0x4e));
  v = _mm256_add_ps(v, _mm256_permute_ps(v, 0xb1));
  return _mm_cvtss_f32(add_halves(v));
}
static inline void store_sums(float* p, F a, F b, F c, F d) {
  const F ab = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
  const F cd = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
  _mm_storeu_ps(p,
                add_halves(_mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee))));
}
static inline float max_lane(F v) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

static inline void transpose(F* v) {
  F t[8];
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    const F low = _mm256_unpacklo_ps(v[i], v[i + 1]), high = _mm256_unpackhi_ps(v[i], v[i + 1]);
    const F low2 = _mm256_unpacklo_ps(v[i + 2], v[i + 3]), high2 = _mm256_unpackhi_ps(v[i + 2], v[i + 3]);
    t[i] = _mm256_shuffle_ps(low, low2, 0x44);
    t[i + 1] = _mm256_shuffle_ps(low, low2, 0xee);
    t[i + 2] = _mm256_shuffle_ps(high, high2, 0x44);
    t[i + 3] = _mm256_shuffle_ps(high, high2, 0xee);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    v[i] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
    v[i + 4] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
  }
}

static inline F pow2_near(F n) {
  return _mm256_castsi256_ps(
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}

static inline float f32_of_f16(uint16_t bits) {
  return _cvtsh_ss(bits);
}
static inline F load_f16(const uint16_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
static inline void store_f16(uint16_t* p, F v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
static inline F load_bf16(const uint16_t* p) {
  const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
static inline F load_i8(const int8_t* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
static inline void store_i8(int8_t* p, F v) {
  const __m256i wide = _mm256_cvtps_epi32(v);
  const __m128i half = _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(half, half));
}

// 2^-127 and 2^-128 are subnormal; for all others the first is the larger.
static inline F load_pow2(const int8_t* p) {
  const __m256i n = _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  return _mm256_castsi256_ps(
      _mm256_max_epi32(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23),
                       _mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(129)), 21)));
}
static inline void load_nibbles(const uint8_t* p, F* low, F* high) {
  const __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  *low = _mm256_cvtepi32_ps(_mm256_and_si256(wide, _mm256_set1_epi32(15)));
  *high = _mm256_cvtepi32_ps(_mm256_srli_epi32(wide, 4));
}

inline constexpr bool kLooksUp = true;
static inline Bytes load_table(const uint8_t* p) {
  return reinterpret_cast<Bytes>(
      _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
static inline Bytes look_up(Bytes table, Bytes index) {
  return reinterpret_cast<Bytes>(
      _mm256_shuffle_epi8(reinterpret_cast<__m256i>(table), reinterpret_cast<__m256i>(index)));
}

inline constexpr bool kSignedLevels = true;
inline constexpr int kTileTokens = 4;

static inline __m256i splat_four(const int8_t* x) {
  int32_t four;
  memcpy(&four, x, sizeof four);
  return _mm256_set1_epi32(four);
}
static inline __m256i widened(__m256i pairs) {
  return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

// maddubs adds two products of an unsigned and a signed byte in 16 signed bits. Levels below 16 give at most
// 3,810 there, so eight steps may be added before they are widened (30,480); levels below 32 give 7,874, four
// steps; levels below 64 give 16,002, two steps.
template <int kBits>
struct LevelDot {
  static constexpr int kSteps = kBits <= 4 ? 8 : kBits == 5 ? 4 : 2;
  __m256i pairs = _mm256_setzero_si256();
  __m256i total = _mm256_setzero_si256();

  void add(Bytes w, const int8_t* x) {
    pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(reinterpret_cast<__m256i>(w), splat_four(x)));
  }
  void flush() {
    total = _mm256_add_epi32(total, widened(pairs));
    pairs = _mm256_setzero_si256();
  }
  F value() const { return _mm256_cvtepi32_ps(total); }
};
// Signed levels: |w| · (x with w's sign), at most 32,512.
template <>
struct LevelDot<8> {
  static constexpr int kSteps = 8;
  __m256i total = _mm256_setzero_si256();

  void add(Bytes w, const int8_t* x) {
    const auto v = reinterpret_cast<__m256i>(w);
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(v), _mm256_sign_epi8(splat_four(x), v));
    total = _mm256_add_epi32(total, widened(pairs));
  }
  void flush() {}
  F value() const { return _mm256_cvtepi32_ps(total); }
};

}  // namespace oag::cpu::avx2
