// Arithmetic with broadcasting: Add Sub Mul Div Mod Pow.
#include <cmath>

#include "engine/ops/elementwise.h"

namespace oag {
namespace {

// Integers wrap around: sums and products of int64_t are made as unsigned ones, which have the same bits.
struct Add {
  double operator()(double a, double b) const { return a + b; }
  template <typename Integer>
  Integer operator()(Integer a, Integer b) const {
    return static_cast<Integer>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  }
};

struct Sub {
  double operator()(double a, double b) const { return a - b; }
  template <typename Integer>
  Integer operator()(Integer a, Integer b) const {
    return static_cast<Integer>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
  }
};

struct Mul {
  double operator()(double a, double b) const { return a * b; }
  template <typename Integer>
  Integer operator()(Integer a, Integer b) const {
    return static_cast<Integer>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  }
};

// Integers truncate towards zero; the smallest by -1 wraps to itself. A divisor of 0 is refused beforehand.
struct Div {
  double operator()(double a, double b) const { return a / b; }
  int64_t operator()(int64_t a, int64_t b) const { return b == -1 ? Sub()(int64_t{0}, a) : a / b; }
  uint64_t operator()(uint64_t a, uint64_t b) const { return a / b; }
};

void div_reference(KernelContext& context) {
  refuse_integer_zeros(context, 1);
  numeric_binary<Div>(context);
}

// The sign of the divisor: A - floor(A / B) · B.
struct FloorMod {
  double operator()(double a, double b) const {
    const double rest = std::fmod(a, b);
    if (rest == 0) return std::copysign(0.0, b);
    return (rest < 0) != (b < 0) ? rest + b : rest;
  }
  int64_t operator()(int64_t a, int64_t b) const {
    if (b == -1) return 0;
    const int64_t rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  }
  uint64_t operator()(uint64_t a, uint64_t b) const { return a % b; }
};

// The sign of the dividend: A - trunc(A / B) · B.
struct TruncatedMod {
  double operator()(double a, double b) const { return std::fmod(a, b); }
  int64_t operator()(int64_t a, int64_t b) const { return b == -1 ? 0 : a % b; }
  uint64_t operator()(uint64_t a, uint64_t b) const { return a % b; }
};

void mod_reference(KernelContext& context) {
  refuse_integer_zeros(context, 1);
  context.node().int_attribute("fmod", 0) != 0 ? numeric_binary<TruncatedMod>(context)
                                               : numeric_binary<FloorMod>(context);
}

// Integers to integer powers wrap around; a negative exponent truncates the fraction, and 0 to one is 0.
int64_t integer_power(int64_t base, uint64_t exponent) {
  uint64_t result = 1;
  for (auto factor = static_cast<uint64_t>(base); exponent > 0; exponent >>= 1, factor *= factor) {
    if ((exponent & 1) != 0) result *= factor;
  }
  return static_cast<int64_t>(result);
}

struct Pow {
  double operator()(double base, double exponent) const { return std::pow(base, exponent); }
  double operator()(int64_t base, double exponent) const {
    return std::pow(static_cast<double>(base), exponent);
  }
  int64_t operator()(int64_t base, uint64_t exponent) const { return integer_power(base, exponent); }
  int64_t operator()(int64_t base, int64_t exponent) const {
    if (exponent >= 0) return integer_power(base, static_cast<uint64_t>(exponent));
    if (base == 1 || base == -1) return exponent % 2 == 0 ? 1 : base;
    return 0;
  }
};

void pow_reference(KernelContext& context) {
  const Tensor& base = context.input(0);
  const Tensor& exponent = context.input(1);
  const Tensor& out =
      context.allocate_output(0, base.dtype(), broadcast_dims(context, base.dims(), exponent.dims()));
  if (is_float(base.dtype())) return map_broadcast<double, double>(context.env(), base, exponent, out, Pow{});
  visit_wide(exponent.dtype(), [&](auto wide) {
    map_broadcast<int64_t, decltype(wide)>(context.env(), base, exponent, out, Pow{});
  });
}

constexpr DTypeSet kPowTypes = kFloatTypes | DTypeSet{DType::kI32, DType::kI64};

constexpr OpSchema binary(std::string_view op, KernelFunction reference) {
  return {.domain = "",
          .op = op,
          .since_version = 14,
          .inputs = {{"A", "T", kNumericTypes}, {"B", "T", kNumericTypes}},
          .outputs = {{"C", "T", kNumericTypes}},
          .attributes = {},
          .infer = infer_broadcast,
          .reference = reference};
}

}  // namespace

// C = A ∘ B over the broadcast of both, in their element type.
extern constinit const OpSchema kAdd = binary("Add", numeric_binary<Add>);
extern constinit const OpSchema kSub = binary("Sub", numeric_binary<Sub>);
extern constinit const OpSchema kMul = binary("Mul", numeric_binary<Mul>);
extern constinit const OpSchema kDiv = binary("Div", div_reference);

// fmod 0: the result has the sign of B, fmod 1: that of A.
extern constinit const OpSchema kMod = {
    .domain = "",
    .op = "Mod",
    .since_version = 28,
    .inputs = {{"A", "T", kNumericTypes}, {"B", "T", kNumericTypes}},
    .outputs = {{"C", "T", kNumericTypes}},
    .attributes = {{"fmod", AttributeKind::kInt}},
    .infer = infer_broadcast,
    .reference = mod_reference,
};

// Z = X^Y in the type of X.
extern constinit const OpSchema kPow = {
    .domain = "",
    .op = "Pow",
    .since_version = 15,
    .inputs = {{"X", "T", kPowTypes}, {"Y", "T1", kNumericTypes}},
    .outputs = {{"Z", "T", kPowTypes}},
    .attributes = {},
    .infer = infer_broadcast,
    .reference = pow_reference,
};

}  // namespace oag
