// Element by element, and rows that are normalised.
#include "engine/backends/cpu/kernels/functions.h"
#include "engine/backends/cpu/kernels/vec_math.h"

namespace oag::cpu::OAG_ISA {
namespace {

struct AddOp {
  static F of(F a, F b) { return add(a, b); }
};
struct SubOp {
  static F of(F a, F b) { return sub(a, b); }
};
struct MulOp {
  static F of(F a, F b) { return mul(a, b); }
};
struct DivOp {
  static F of(F a, F b) { return div(a, b); }
};

// Bounds stand first: where a value is NaN, max and min give their second operand.
static inline F clip(F x, F least, F most) {
  return max(least, min(most, x));
}

struct ClipOp {
  F a, b;
  ClipOp(float least, float most) : a(splat(least)), b(splat(most)) {}
  F of(F x) const { return min(b, max(a, x)); }  // where the bounds cross, the upper one counts
};
struct LeakyReluOp {
  F a;
  LeakyReluOp(float alpha, float) : a(splat(alpha)) {}
  F of(F x) const { return mul_add(a, min(zero(), x), max(zero(), x)); }
};
struct HardSigmoidOp {
  F a, b;
  HardSigmoidOp(float alpha, float beta) : a(splat(alpha)), b(splat(beta)) {}
  F of(F x) const { return clip(mul_add(a, x, b), zero(), splat(1.0f)); }
};
struct HardSwishOp {
  HardSwishOp(float, float) {}
  F of(F x) const { return mul(x, clip(mul_add(x, splat(1.0f / 6), splat(0.5f)), zero(), splat(1.0f))); }
};
struct AffineOp {
  F a, b;
  AffineOp(float scale, float shift) : a(splat(scale)), b(splat(shift)) {}
  F of(F x) const { return mul_add(a, x, b); }
};
// Odd below 1; from there on erfc takes away from what erf has at 1, with the sign of x.
struct ErfOp {
  F at_one;
  ErfOp(float, float) : at_one(erfc(splat(1.0f))) {}
  F of(F x) const {
    const F near = max(splat(-1.0f), min(splat(1.0f), x));
    const F beyond = sub(at_one, erfc(max(splat(1.0f), abs(x))));
    return mul_add(beyond, near, erf_near(near));
  }
};

template <typename Op>
static inline void map(const Op& op, const float* x, int64_t count, float* y) {
  for_vectors(count, [&](int64_t i, int64_t n) { store_at(y, i, n, op.of(load_at(x, i, n, 0.0f))); });
}

}  // namespace

template <ElementOp kOp>
void element(const float* x, int64_t count, float a, float b, float* y) {
  if constexpr (kOp == ElementOp::kClip) map(ClipOp(a, b), x, count, y);
  if constexpr (kOp == ElementOp::kLeakyRelu) map(LeakyReluOp(a, b), x, count, y);
  if constexpr (kOp == ElementOp::kHardSigmoid) map(HardSigmoidOp(a, b), x, count, y);
  if constexpr (kOp == ElementOp::kHardSwish) map(HardSwishOp(a, b), x, count, y);
  if constexpr (kOp == ElementOp::kAffine) map(AffineOp(a, b), x, count, y);
  if constexpr (kOp == ElementOp::kErf) map(ErfOp(a, b), x, count, y);
}
template void element<ElementOp::kClip>(const float*, int64_t, float, float, float*);
template void element<ElementOp::kLeakyRelu>(const float*, int64_t, float, float, float*);
template void element<ElementOp::kHardSigmoid>(const float*, int64_t, float, float, float*);
template void element<ElementOp::kHardSwish>(const float*, int64_t, float, float, float*);
template void element<ElementOp::kAffine>(const float*, int64_t, float, float, float*);
template void element<ElementOp::kErf>(const float*, int64_t, float, float, float*);

template <BinaryOp kOp>
void binary(const float* a, bool a_is_scalar, const float* b, bool b_is_scalar, int64_t count, float* y) {
  for_vectors(count, [&](int64_t i, int64_t n) {
    const F left = a_is_scalar ? splat(*a) : load_at(a, i, n, 1.0f);
    const F right = b_is_scalar ? splat(*b) : load_at(b, i, n, 1.0f);
    F result;
    if constexpr (kOp == BinaryOp::kAdd) result = AddOp::of(left, right);
    if constexpr (kOp == BinaryOp::kSub) result = SubOp::of(left, right);
    if constexpr (kOp == BinaryOp::kMul) result = MulOp::of(left, right);
    if constexpr (kOp == BinaryOp::kDiv) result = DivOp::of(left, right);
    store_at(y, i, n, result);
  });
}
template void binary<BinaryOp::kAdd>(const float*, bool, const float*, bool, int64_t, float*);
template void binary<BinaryOp::kSub>(const float*, bool, const float*, bool, int64_t, float*);
template void binary<BinaryOp::kMul>(const float*, bool, const float*, bool, int64_t, float*);
template void binary<BinaryOp::kDiv>(const float*, bool, const float*, bool, int64_t, float*);

void exp_all(const float* x, int64_t count, float* y) {
  for_vectors(count, [&](int64_t i, int64_t n) { store_at(y, i, n, exp(load_at(x, i, n, 0.0f))); });
}
void sigmoid_all(const float* x, int64_t count, float* y) {
  for_vectors(count, [&](int64_t i, int64_t n) { store_at(y, i, n, sigmoid(load_at(x, i, n, 0.0f))); });
}
void swish_all(const float* x, int64_t count, float* y) {
  for_vectors(count, [&](int64_t i, int64_t n) { store_at(y, i, n, swish(load_at(x, i, n, 0.0f))); });
}
void gelu_all(const float* x, int64_t count, float* y) {
  for_vectors(count, [&](int64_t i, int64_t n) { store_at(y, i, n, gelu(load_at(x, i, n, 0.0f))); });
}
void gelu_tanh_all(const float* x, int64_t count, float* y) {
  for_vectors(count, [&](int64_t i, int64_t n) { store_at(y, i, n, gelu_tanh(load_at(x, i, n, 0.0f))); });
}
void swiglu_all(const float* gate, const float* up, int64_t count, float* y) {
  for_vectors(count, [&](int64_t i, int64_t n) {
    store_at(y, i, n, mul(swish(load_at(gate, i, n, 0.0f)), load_at(up, i, n, 0.0f)));
  });
}

void rms_norm(const float* x, const float* scale, int64_t count, float epsilon, float* y) {
  F squares = zero();
  for_vectors(count, [&](int64_t i, int64_t n) {
    const F v = load_at(x, i, n, 0.0f);
    squares = mul_add(v, v, squares);
  });
  const F inverse = splat(1.0f / __builtin_sqrtf(sum(squares) / static_cast<float>(count) + epsilon));
  for_vectors(count, [&](int64_t i, int64_t n) {
    store_at(y, i, n, mul(mul(load_at(x, i, n, 0.0f), inverse), load_at(scale, i, n, 0.0f)));
  });
}

void layer_norm(const float* x, const float* scale, const float* bias, int64_t count, float epsilon, float* y,
                float* mean_out, float* inverse_out) {
  F total = zero();
  for_vectors(count, [&](int64_t i, int64_t n) { total = add(total, load_at(x, i, n, 0.0f)); });
  const float mean = sum(total) / static_cast<float>(count);
  F squares = zero();
  for_vectors(count, [&](int64_t i, int64_t n) {
    const F v = sub(load_at(x, i, n, mean), splat(mean));
    squares = mul_add(v, v, squares);
  });
  const float inverse = 1.0f / __builtin_sqrtf(sum(squares) / static_cast<float>(count) + epsilon);
  for_vectors(count, [&](int64_t i, int64_t n) {
    F v = mul(mul(sub(load_at(x, i, n, 0.0f), splat(mean)), splat(inverse)), load_at(scale, i, n, 0.0f));
    if (bias != nullptr) v = add(v, load_at(bias, i, n, 0.0f));
    store_at(y, i, n, v);
  });
  *mean_out = mean;
  *inverse_out = inverse;
}

void softmax_row(const float* x, int64_t count, float* y) {
  F top = splat(-__builtin_inff());
  for_vectors(count, [&](int64_t i, int64_t n) { top = max(load_at(x, i, n, -__builtin_inff()), top); });
  const F highest = splat(max_lane(top));
  F total = zero();
  for_vectors(count, [&](int64_t i, int64_t n) {
    const F p = exp(sub(load_at(x, i, n, -__builtin_inff()), highest));
    total = add(total, p);
    store_at(y, i, n, p);
  });
  const F inverse = splat(1.0f / sum(total));
  for_vectors(count, [&](int64_t i, int64_t n) { store_at(y, i, n, mul(load_at(y, i, n, 0.0f), inverse)); });
}

void rotate_halves(const float* x, const float* cos, const float* sin, int64_t half, float* y) {
  for_vectors(half, [&](int64_t i, int64_t n) {
    const F a = load_at(x, i, n, 0.0f), b = load_at(x + half, i, n, 0.0f);
    const F c = load_at(cos, i, n, 0.0f), s = load_at(sin, i, n, 0.0f);
    store_at(y, i, n, sub(mul(c, a), mul(s, b)));
    store_at(y + half, i, n, add(mul(s, a), mul(c, b)));
  });
}

void rotate_pairs(const float* x, const float* cos, const float* sin, int64_t half, float* y) {
  for (int64_t i = 0; i < half; ++i) {
    const float a = x[2 * i], b = x[2 * i + 1];
    y[2 * i] = cos[i] * a - sin[i] * b;
    y[2 * i + 1] = sin[i] * a + cos[i] * b;
  }
}

}  // namespace oag::cpu::OAG_ISA
