#pragma once

#include "engine/backends/cpu/kernels/vec.h"

// Functions of one vector, the same in every lane and for every instruction set but for fused rounding.
namespace oag::cpu::OAG_ISA {

// e^x within 2 ulp; 0 below -104, infinity above 88.73, NaN for NaN.
// x = n ln 2 + r with |r| <= ln 2 / 2; the Taylor polynomial of degree 7 leaves 5e-9 there.
static inline F exp(F x) {
  x = max(splat(-104.0f), min(splat(89.0f), x));
  const F n = round(mul(x, splat(1.44269504f)));
  // ln 2 in two parts, the first of which has few enough bits that its products with n are exact.
  F r = mul_add(n, splat(-0.693359375f), x);
  r = mul_add(n, splat(2.12194440e-4f), r);
  F p = splat(1.0f / 5040);
  p = mul_add(p, r, splat(1.0f / 720));
  p = mul_add(p, r, splat(1.0f / 120));
  p = mul_add(p, r, splat(1.0f / 24));
  p = mul_add(p, r, splat(1.0f / 6));
  p = mul_add(p, r, splat(0.5f));
  p = add(splat(1.0f), mul_add(mul(p, r), r, r));
  // In two steps, so that subnormal results and 2^128 come out right.
  const F half = round(mul(n, splat(0.5f)));
  return mul(mul(p, pow2_near(half)), pow2_near(sub(n, half)));
}

// Within 4 ulp. With m = e^2x - 1 it is m / (m + 2), and m = 2^n (e^r - 1) + (2^n - 1), where n is 0 near 0.
static inline F tanh(F x) {
  x = max(splat(-20.0f), min(splat(20.0f), add(x, x)));
  const F n = round(mul(x, splat(1.44269504f)));
  F r = mul_add(n, splat(-0.693359375f), x);
  r = mul_add(n, splat(2.12194440e-4f), r);
  F p = splat(1.0f / 5040);
  p = mul_add(p, r, splat(1.0f / 720));
  p = mul_add(p, r, splat(1.0f / 120));
  p = mul_add(p, r, splat(1.0f / 24));
  p = mul_add(p, r, splat(1.0f / 6));
  p = mul_add(p, r, splat(0.5f));
  const F power = pow2_near(n);
  const F m = mul_add(mul_add(mul(p, r), r, r), power, sub(power, splat(1.0f)));
  return div(m, add(m, splat(2.0f)));
}

static inline F sigmoid(F x) {
  return div(splat(1.0f), add(splat(1.0f), exp(sub(zero(), x))));
}
static inline F swish(F x) {
  return div(x, add(splat(1.0f), exp(sub(zero(), x))));
}

// 1 - erf(z) for z >= 0, within 1e-7 of itself. With t = 1 / (1 + z / 2) it is t · e^(p(t) - z²); p is a
// Chebyshev fit of degree 9 on z in [0, 11] whose error is 6e-8.
static inline F erfc(F z) {
  const F t = div(splat(1.0f), mul_add(splat(0.5f), z, splat(1.0f)));
  F p = splat(0.152171284f);
  p = mul_add(p, t, splat(-0.720157564f));
  p = mul_add(p, t, splat(1.24898505f));
  p = mul_add(p, t, splat(-0.81853658f));
  p = mul_add(p, t, splat(0.0203504916f));
  p = mul_add(p, t, splat(-0.0518615171f));
  p = mul_add(p, t, splat(0.052532699f));
  p = mul_add(p, t, splat(0.382924557f));
  p = mul_add(p, t, splat(0.999060392f));
  p = mul_add(p, t, splat(-1.26546872f));
  return mul(t, exp(mul_add(mul(splat(-1.0f), z), z, p)));
}
// erf of x in [-1, 1] within 3 ulp: x times a Chebyshev fit of degree 6 in x².
static inline F erf_near(F x) {
  const F s = mul(x, x);
  F p = splat(7.88249745e-05f);
  p = mul_add(p, s, splat(-0.000801885501f));
  p = mul_add(p, s, splat(0.00518931216f));
  p = mul_add(p, s, splat(-0.0268543288f));
  p = mul_add(p, s, splat(0.112835974f));
  p = mul_add(p, s, splat(-0.37612626f));
  p = mul_add(p, s, splat(1.12837911f));
  return mul(x, p);
}

// x · Φ(x), Φ being the normal distribution's; within 2^-22 of max(|x|, 1).
static inline F gelu(F x) {
  const F size = min(splat(20.0f), abs(x));  // beyond, Φ is 0 or 1
  return sub(max(zero(), x), mul(mul(splat(0.5f), size), erfc(mul(size, splat(0.70710678f)))));
}
// The same by tanh: x / (1 + e^(-2u)) with u = √(2/π) · (x + 0.044715 x³).
static inline F gelu_tanh(F x) {
  const F cubic = mul_add(mul(splat(0.044715f), mul(x, x)), x, x);
  return div(x, add(splat(1.0f), exp(mul(splat(-1.5957691216f), cubic))));
}

// The first count < kLanes values at p, then `rest`.
static inline F load_part(const float* p, int64_t count, float rest) {
  float values[kLanes];
  for (int i = 0; i < kLanes; ++i) values[i] = i < count ? p[i] : rest;
  return load(values);
}
static inline void store_part(float* p, int64_t count, F v) {
  float values[kLanes];
  store(values, v);
  for (int64_t i = 0; i < count; ++i) p[i] = values[i];
}

// Calls visit(vector at i, store function) over n values; a short tail is padded with `rest`.
template <typename Visit>
static inline void for_vectors(int64_t n, Visit visit) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) visit(i, static_cast<int64_t>(kLanes));
  if (i < n) visit(i, n - i);
}
static inline F load_at(const float* p, int64_t i, int64_t count, float rest) {
  return count == kLanes ? load(p + i) : load_part(p + i, count, rest);
}
static inline void store_at(float* p, int64_t i, int64_t count, F v) {
  if (count == kLanes) return store(p + i, v);
  store_part(p + i, count, v);
}

}  // namespace oag::cpu::OAG_ISA
