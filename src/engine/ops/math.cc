// Unary mathematics: Abs Neg Sign Sqrt Reciprocal Exp Log, circular and hyperbolic functions and their
// inverses, Erf Floor Ceil Round IsNaN IsInf.
#include <cmath>

#include "engine/ops/elementwise.h"

namespace oag {
namespace {

// clang-format off
struct Sqrt { double operator()(double x) const { return std::sqrt(x); } };
struct Reciprocal { double operator()(double x) const { return 1.0 / x; } };
struct Exp { double operator()(double x) const { return std::exp(x); } };
struct Log { double operator()(double x) const { return std::log(x); } };
struct Sin { double operator()(double x) const { return std::sin(x); } };
struct Cos { double operator()(double x) const { return std::cos(x); } };
struct Tan { double operator()(double x) const { return std::tan(x); } };
struct Asin { double operator()(double x) const { return std::asin(x); } };
struct Acos { double operator()(double x) const { return std::acos(x); } };
struct Atan { double operator()(double x) const { return std::atan(x); } };
struct Sinh { double operator()(double x) const { return std::sinh(x); } };
struct Cosh { double operator()(double x) const { return std::cosh(x); } };
struct Asinh { double operator()(double x) const { return std::asinh(x); } };
struct Acosh { double operator()(double x) const { return std::acosh(x); } };
struct Atanh { double operator()(double x) const { return std::atanh(x); } };
struct Tanh { double operator()(double x) const { return std::tanh(x); } };
struct Erf { double operator()(double x) const { return std::erf(x); } };
struct Floor { double operator()(double x) const { return std::floor(x); } };
struct Ceil { double operator()(double x) const { return std::ceil(x); } };
struct Round { double operator()(double x) const { return std::nearbyint(x); } };  // halves to even
// clang-format on

struct Neg {
  double operator()(double x) const { return -x; }
  template <typename Integer>
  Integer operator()(Integer x) const {
    return static_cast<Integer>(uint64_t{0} - static_cast<uint64_t>(x));
  }
};

struct Abs {
  double operator()(double x) const { return std::abs(x); }
  int64_t operator()(int64_t x) const { return x < 0 ? Neg()(x) : x; }
  uint64_t operator()(uint64_t x) const { return x; }
};

struct Sign {
  double operator()(double x) const { return std::isnan(x) ? x : static_cast<double>((x > 0) - (x < 0)); }
  int64_t operator()(int64_t x) const { return (x > 0) - (x < 0); }
  uint64_t operator()(uint64_t x) const { return x > 0 ? 1 : 0; }
};

struct IsNaN {
  bool operator()(double x) const { return std::isnan(x); }
};

struct IsInf {
  explicit IsInf(const KernelContext& context)
      : negative(context.node().int_attribute("detect_negative", 1) != 0),
        positive(context.node().int_attribute("detect_positive", 1) != 0) {}
  bool operator()(double x) const { return std::isinf(x) && (x < 0 ? negative : positive); }
  bool negative, positive;
};

void infer_condition(InferenceContext& context) {
  context.set_output(0, DType::kBool, context.type(0).shape);
}

template <typename Op>
void float_condition(KernelContext& context) {
  const Tensor& in = context.input(0);
  map_elements<double>(context.env(), in, context.allocate_output(0, DType::kBool, in.dims()),
                       make_op<Op>(context));
}

constexpr DTypeSet kTestedTypes =
    kFloatTypes | DTypeSet{DType::kF8E4M3FN, DType::kF8E4M3FNUZ, DType::kF8E5M2, DType::kF8E5M2FNUZ};

constexpr OpSchema unary(std::string_view op, int since_version, DTypeSet dtypes, KernelFunction reference) {
  return {.domain = "",
          .op = op,
          .since_version = since_version,
          .inputs = {{"X", "T", dtypes}},
          .outputs = {{"Y", "T", dtypes}},
          .attributes = {},
          .infer = infer_same_type,
          .reference = reference};
}

}  // namespace

// Y = f(X), element by element. Integers wrap: the negative of the smallest is itself. Round takes halves to
// even.
extern constinit const OpSchema kAbs = unary("Abs", 13, kNumericTypes, numeric_unary<Abs>);
extern constinit const OpSchema kNeg = unary("Neg", 13, kFloatTypes | kSignedTypes, numeric_unary<Neg>);
extern constinit const OpSchema kSign = unary("Sign", 13, kNumericTypes, numeric_unary<Sign>);
extern constinit const OpSchema kSqrt = unary("Sqrt", 13, kFloatTypes, float_unary<Sqrt>);
extern constinit const OpSchema kReciprocal = unary("Reciprocal", 13, kFloatTypes, float_unary<Reciprocal>);
extern constinit const OpSchema kExp = unary("Exp", 13, kFloatTypes, float_unary<Exp>);
extern constinit const OpSchema kLog = unary("Log", 13, kFloatTypes, float_unary<Log>);
extern constinit const OpSchema kSin = unary("Sin", 22, kFloatTypes, float_unary<Sin>);
extern constinit const OpSchema kCos = unary("Cos", 22, kFloatTypes, float_unary<Cos>);
extern constinit const OpSchema kTan = unary("Tan", 22, kFloatTypes, float_unary<Tan>);
extern constinit const OpSchema kAsin = unary("Asin", 22, kFloatTypes, float_unary<Asin>);
extern constinit const OpSchema kAcos = unary("Acos", 22, kFloatTypes, float_unary<Acos>);
extern constinit const OpSchema kAtan = unary("Atan", 22, kFloatTypes, float_unary<Atan>);
extern constinit const OpSchema kSinh = unary("Sinh", 22, kFloatTypes, float_unary<Sinh>);
extern constinit const OpSchema kCosh = unary("Cosh", 22, kFloatTypes, float_unary<Cosh>);
extern constinit const OpSchema kAsinh = unary("Asinh", 22, kFloatTypes, float_unary<Asinh>);
extern constinit const OpSchema kAcosh = unary("Acosh", 22, kFloatTypes, float_unary<Acosh>);
extern constinit const OpSchema kAtanh = unary("Atanh", 22, kFloatTypes, float_unary<Atanh>);
extern constinit const OpSchema kTanh = unary("Tanh", 13, kFloatTypes, float_unary<Tanh>);
extern constinit const OpSchema kErf = unary("Erf", 13, kFloatTypes, float_unary<Erf>);
extern constinit const OpSchema kFloor = unary("Floor", 13, kFloatTypes, float_unary<Floor>);
extern constinit const OpSchema kCeil = unary("Ceil", 13, kFloatTypes, float_unary<Ceil>);
extern constinit const OpSchema kRound = unary("Round", 22, kFloatTypes, float_unary<Round>);

extern constinit const OpSchema kIsNaN = {
    .domain = "",
    .op = "IsNaN",
    .since_version = 20,
    .inputs = {{"X", "T1", kTestedTypes}},
    .outputs = {{"Y", "T2", {DType::kBool}}},
    .attributes = {},
    .infer = infer_condition,
    .reference = float_condition<IsNaN>,
};

// Whether X is infinite, of the signs that detect_negative and detect_positive (both 1) name.
extern constinit const OpSchema kIsInf = {
    .domain = "",
    .op = "IsInf",
    .since_version = 20,
    .inputs = {{"X", "T1", kTestedTypes}},
    .outputs = {{"Y", "T2", {DType::kBool}}},
    .attributes = {{"detect_negative", AttributeKind::kInt}, {"detect_positive", AttributeKind::kInt}},
    .infer = infer_condition,
    .reference = float_condition<IsInf>,
};

}  // namespace oag
