#pragma once

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

// Vectors of AVX-512 F, BW, VL and DQ with VNNI; vec.h says what each function means.
namespace oag::cpu::avx512 {

using F = __m512;
inline constexpr int kLanes = 16;
inline constexpr int kRegisters = 32;
typedef uint8_t Bytes __attribute__((vector_size(64)));

static inline F splat(float x) {
  return _mm512_set1_ps(x);
}
static inline F zero() {
  return _mm512_setzero_ps();
}
static inline F load(const float* p) {
  return _mm512_loadu_ps(p);
}
static inline void store(float* p, F v) {
  _mm512_storeu_ps(p, v);
}
static inline F add(F a, F b) {
  return _mm512_add_ps(a, b);
}
static inline F sub(F a, F b) {
  return _mm512_sub_ps(a, b);
}
static inline F mul(F a, F b) {
  return _mm512_mul_ps(a, b);
}
static inline F div(F a, F b) {
  return _mm512_div_ps(a, b);
}
static inline F mul_add(F a, F b, F c) {
  return _mm512_fmadd_ps(a, b, c);
}
static inline F max(F a, F b) {
  return _mm512_max_ps(a, b);
}
static inline F min(F a, F b) {
  return _mm512_min_ps(a, b);
}
static inline F keep_nan(F a, F b) {
  return _mm512_mask_mov_ps(b, _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), a);
}
static inline F abs(F a) {
  return _mm512_abs_ps(a);
}
static inline F round(F a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static inline __m128 add_quarters(F v) {
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}
static inline float sum(F v) {
  v = _mm512_add_ps(v, _mm512_permute_ps(v, 0x4e));
  v = _mm512_add_ps(v, _mm512_permute_ps(v, 0xb1));
  return _mm_cvtss_f32(add_quarters(v));
}
static inline void store_sums(float* p, F a, F b, F c, F d) {
  const F ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
  const F cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
  _mm_storeu_ps(
      p, add_quarters(_mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee))));
}
static inline float max_lane(F v) {
  const __m256 half = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

// Squares of four values first, then the squares themselves.
static inline void transpose(F* v) {
  F t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 4) {
    const F low = _mm512_unpacklo_ps(v[i], v[i + 1]), high = _mm512_unpackhi_ps(v[i], v[i + 1]);
    const F low2 = _mm512_unpacklo_ps(v[i + 2], v[i + 3]), high2 = _mm512_unpackhi_ps(v[i + 2], v[i + 3]);
    t[i] = _mm512_shuffle_ps(low, low2, 0x44);
    t[i + 1] = _mm512_shuffle_ps(low, low2, 0xee);
    t[i + 2] = _mm512_shuffle_ps(high, high2, 0x44);
    t[i + 3] = _mm512_shuffle_ps(high, high2, 0xee);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const F even = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88),
            odd = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd);
    const F even2 = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88),
            odd2 = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xdd);
    v[i] = _mm512_shuffle_f32x4(even, even2, 0x88);
    v[i + 4] = _mm512_shuffle_f32x4(odd, odd2, 0x88);
    v[i + 8] = _mm512_shuffle_f32x4(even, even2, 0xdd);
    v[i + 12] = _mm512_shuffle_f32x4(odd, odd2, 0xdd);
  }
}

static inline F pow2_near(F n) {
  return _mm512_castsi512_ps(
      _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
}

static inline float f32_of_f16(uint16_t bits) {
  return _cvtsh_ss(bits);
}
static inline F load_f16(const uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
static inline void store_f16(uint16_t* p, F v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
static inline F load_bf16(const uint16_t* p) {
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
static inline F load_i8(const int8_t* p) {
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
static inline void store_i8(int8_t* p, F v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(v)));
}

// 2^-127 and 2^-128 are subnormal; for all others the first is the larger.
static inline F load_pow2(const int8_t* p) {
  const __m512i n = _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  return _mm512_castsi512_ps(
      _mm512_max_epi32(_mm512_slli_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(127)), 23),
                       _mm512_slli_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(129)), 21)));
}
static inline void load_nibbles(const uint8_t* p, F* low, F* high) {
  const __m512i wide = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  *low = _mm512_cvtepi32_ps(_mm512_and_si512(wide, _mm512_set1_epi32(15)));
  *high = _mm512_cvtepi32_ps(_mm512_srli_epi32(wide, 4));
}

inline constexpr bool kLooksUp = true;
static inline Bytes load_table(const uint8_t* p) {
  return reinterpret_cast<Bytes>(
      _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
static inline Bytes look_up(Bytes table, Bytes index) {
  return reinterpret_cast<Bytes>(
      _mm512_shuffle_epi8(reinterpret_cast<__m512i>(table), reinterpret_cast<__m512i>(index)));
}

// The instruction multiplies unsigned with signed bytes and keeps 32 bits.
inline constexpr bool kSignedLevels = false;
inline constexpr int kTileTokens = 8;

template <int kBits>
struct LevelDot {
  static constexpr int kSteps = 8;
  __m512i total = _mm512_setzero_si512();

  void add(Bytes w, const int8_t* x) {
    int32_t four;
    memcpy(&four, x, sizeof four);
    total = _mm512_dpbusd_epi32(total, reinterpret_cast<__m512i>(w), _mm512_set1_epi32(four));
  }
  void flush() {}
  F value() const { return _mm512_cvtepi32_ps(total); }
};

}  // namespace oag::cpu::avx512
