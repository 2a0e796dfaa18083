#pragma once

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

// Vectors of Armv8.2-A with the dot product extension; vec.h says what each function means.
namespace oag::cpu::OAG_ISA {

using F = float32x4_t;
inline constexpr int kLanes = 4;
inline constexpr int kRegisters = 32;
typedef uint8_t Bytes __attribute__((vector_size(16)));

static inline F splat(float x) {
  return vdupq_n_f32(x);
}
static inline F zero() {
  return vdupq_n_f32(0.0f);
}
static inline F load(const float* p) {
  return vld1q_f32(p);
}
static inline void store(float* p, F v) {
  vst1q_f32(p, v);
}
static inline F add(F a, F b) {
  return vaddq_f32(a, b);
}
static inline F sub(F a, F b) {
  return vsubq_f32(a, b);
}
static inline F mul(F a, F b) {
  return vmulq_f32(a, b);
}
static inline F div(F a, F b) {
  return vdivq_f32(a, b);
}
static inline F mul_add(F a, F b, F c) {
  return vfmaq_f32(c, a, b);
}
static inline F max(F a, F b) {
  return vbslq_f32(vcgtq_f32(a, b), a, b);
}
static inline F min(F a, F b) {
  return vbslq_f32(vcltq_f32(a, b), a, b);
}
static inline F keep_nan(F a, F b) {
  return vbslq_f32(vceqq_f32(a, a), b, a);
}
static inline F abs(F a) {
  return vabsq_f32(a);
}
static inline F round(F a) {
  return vrndnq_f32(a);
}
static inline float sum(F v) {
  return (vgetq_lane_f32(v, 0) + vgetq_lane_f32(v, 2)) + (vgetq_lane_f32(v, 1) + vgetq_lane_f32(v, 3));
}
static inline void store_sums(float* p, F a, F b, F c, F d) {
  const F ab = vaddq_f32(vzip1q_f32(a, b), vzip2q_f32(a, b)),
          cd = vaddq_f32(vzip1q_f32(c, d), vzip2q_f32(c, d));
  vst1q_f32(p, vaddq_f32(vcombine_f32(vget_low_f32(ab), vget_low_f32(cd)),
                         vcombine_f32(vget_high_f32(ab), vget_high_f32(cd))));
}
static inline float max_lane(F v) {
  return vmaxvq_f32(v);
}
static inline void transpose(F* v) {
  const float32x4x2_t a = vzipq_f32(v[0], v[2]), b = vzipq_f32(v[1], v[3]);
  const float32x4x2_t low = vzipq_f32(a.val[0], b.val[0]), high = vzipq_f32(a.val[1], b.val[1]);
  v[0] = low.val[0];
  v[1] = low.val[1];
  v[2] = high.val[0];
  v[3] = high.val[1];
}
static inline F pow2_near(F n) {
  return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127)), 23));
}

static inline float f32_of_f16(uint16_t bits) {
  return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(bits))), 0);
}
static inline F load_f16(const uint16_t* p) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
static inline void store_f16(uint16_t* p, F v) {
  vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v)));
}
static inline F load_bf16(const uint16_t* p) {
  return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}
static inline F load_i8(const int8_t* p) {
  int32_t bits;
  memcpy(&bits, p, sizeof bits);
  const int16x8_t wide = vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(bits)));
  return vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
}
static inline void store_i8(int8_t* p, F v) {
  const int16x4_t half = vqmovn_s32(vcvtnq_s32_f32(v));
  const int8x8_t narrow = vqmovn_s16(vcombine_s16(half, half));
  const int32_t bits = vget_lane_s32(vreinterpret_s32_s8(narrow), 0);
  memcpy(p, &bits, sizeof bits);
}

// 2^-127 and 2^-128 are subnormal; for all others the first is the larger.
static inline F load_pow2(const int8_t* p) {
  int32_t bits;
  memcpy(&bits, p, sizeof bits);
  const int32x4_t n = vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(bits)))));
  return vreinterpretq_f32_s32(vmaxq_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23),
                                         vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(129)), 21)));
}
static inline void load_nibbles(const uint8_t* p, F* low, F* high) {
  uint32_t bits;
  memcpy(&bits, p, sizeof bits);
  const uint16x8_t wide = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(bits)));
  const uint32x4_t wider = vmovl_u16(vget_low_u16(wide));
  *low = vcvtq_f32_u32(vandq_u32(wider, vdupq_n_u32(15)));
  *high = vcvtq_f32_u32(vshrq_n_u32(wider, 4));
}

inline constexpr bool kLooksUp = true;
static inline Bytes load_table(const uint8_t* p) {
  return reinterpret_cast<Bytes>(vld1q_u8(p));
}
static inline Bytes look_up(Bytes table, Bytes index) {
  return reinterpret_cast<Bytes>(
      vqtbl1q_u8(reinterpret_cast<uint8x16_t>(table), reinterpret_cast<uint8x16_t>(index)));
}

inline constexpr bool kSignedLevels = true;
inline constexpr int kTileTokens = 8;

template <int kBits>
struct LevelDot {
  static constexpr int kSteps = 8;
  int32x4_t total = vdupq_n_s32(0);

  void add(Bytes w, const int8_t* x) {
    int32_t four;
    memcpy(&four, x, sizeof four);
    total = vdotq_s32(total, vreinterpretq_s8_u8(reinterpret_cast<uint8x16_t>(w)),
                      vreinterpretq_s8_s32(vdupq_n_s32(four)));
  }
  void flush() {}
  F value() const { return vcvtq_f32_s32(total); }
};

}  // namespace oag::cpu::OAG_ISA
