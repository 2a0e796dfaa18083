// Activations: Swish SwiGLU Sigmoid Relu LeakyRelu PRelu ThresholdedRelu Elu Selu Celu Gelu Mish Softplus
// Softsign HardSigmoid HardSwish Shrink.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/ops/elementwise.h"

namespace oag {
namespace {

double logistic(double x) {
  return 1.0 / (1.0 + std::exp(-x));
}

struct Sigmoid {
  double operator()(double x) const { return logistic(x); }
};

struct Softplus {
  // log(1 + e^x) without overflow.
  double operator()(double x) const { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
};

struct Relu {
  template <typename Wide>
  Wide operator()(Wide x) const {
    return x < Wide{0} ? Wide{0} : x;
  }
};

struct Swish {
  explicit Swish(const KernelContext& context) : alpha(context.node().float_attribute("alpha", 1.0f)) {}
  double operator()(double x) const { return x * logistic(alpha * x); }
  double alpha;
};

struct LeakyRelu {
  explicit LeakyRelu(const KernelContext& context) : alpha(context.node().float_attribute("alpha", 0.01f)) {}
  double operator()(double x) const { return x < 0 ? alpha * x : x; }
  double alpha;
};

struct Elu {
  explicit Elu(const KernelContext& context) : alpha(context.node().float_attribute("alpha", 1.0f)) {}
  double operator()(double x) const { return x < 0 ? alpha * std::expm1(x) : x; }
  double alpha;
};

struct Selu {
  explicit Selu(const KernelContext& context)
      : alpha(context.node().float_attribute("alpha", 1.67326319217681884765625f)),
        gamma(context.node().float_attribute("gamma", 1.05070102214813232421875f)) {}
  double operator()(double x) const { return gamma * (x > 0 ? x : alpha * std::expm1(x)); }
  double alpha, gamma;
};

struct Celu {
  explicit Celu(const KernelContext& context) : alpha(context.node().float_attribute("alpha", 1.0f)) {}
  double operator()(double x) const { return x < 0 ? alpha * std::expm1(x / alpha) : x; }
  double alpha;
};

struct Mish {
  double operator()(double x) const { return x * std::tanh(Softplus{}(x)); }
};

struct Softsign {
  double operator()(double x) const { return x / (1 + std::abs(x)); }
};

struct ThresholdedRelu {
  explicit ThresholdedRelu(const KernelContext& context)
      : alpha(context.node().float_attribute("alpha", 1.0f)) {}
  double operator()(double x) const { return x > alpha ? x : 0; }
  double alpha;
};

// Sums of integers and a bias with a fraction are rounded to 0, as a Cast does.
struct Shrink {
  explicit Shrink(const KernelContext& context)
      : bias(context.node().float_attribute("bias", 0.0f)),
        lambd(context.node().float_attribute("lambd", 0.5f)) {}
  template <typename Wide>
  Wide operator()(Wide x) const {
    const auto value = static_cast<double>(x);
    if (value < -lambd) return moved(x, bias);
    return value > lambd ? moved(x, -bias) : Wide{0};
  }
  template <typename Wide>
  static Wide moved(Wide x, double by) {
    if constexpr (std::is_floating_point_v<Wide>) {
      return x + by;
    } else {
      constexpr double kMost = 9e18;  // within an int64
      const auto whole = static_cast<int64_t>(std::clamp(std::trunc(by), -kMost, kMost));
      const auto sum = static_cast<Wide>(static_cast<uint64_t>(x) + static_cast<uint64_t>(whole));
      const double fraction = by - std::trunc(by);
      if (sum > Wide{0} && fraction < 0) return sum - Wide{1};
      return sum < Wide{0} && fraction > 0 ? sum + Wide{1} : sum;
    }
  }
  double bias, lambd;
};

struct PRelu {
  template <typename Wide>
  Wide operator()(Wide x, Wide slope) const {
    if constexpr (std::is_integral_v<Wide>) {
      return x < Wide{0} ? static_cast<Wide>(static_cast<uint64_t>(x) * static_cast<uint64_t>(slope)) : x;
    } else {
      return x < 0 ? x * slope : x;
    }
  }
};

void infer_prelu(InferenceContext& context) {
  if (context.has_shape(0) && context.has_shape(1) && context.shape(1).size() > context.shape(0).size())
    context.refuse("slope {} has more dims than X {}", to_string(context.shape(1)),
                   to_string(context.shape(0)));
  infer_same_type(context);
}

void prelu_reference(KernelContext& context) {
  const Dims& x = context.input(0).dims();
  const Dims& slope = context.input(1).dims();
  if (slope.size() > x.size() || broadcast_dims(context, x, slope) != x)
    context.refuse("slope {} does not broadcast to X {}", to_string(slope), to_string(x));
  numeric_binary<PRelu>(context);
}

struct SwiGLU {
  explicit SwiGLU(const KernelContext& context) : swish(context) {}
  double operator()(double gate, double x) const { return swish(gate) * x; }
  Swish swish;
};

void infer_swiglu(InferenceContext& context) {
  if (context.has_shape(0) && context.has_shape(1) && context.shape(0).size() != context.shape(1).size())
    context.refuse("A {} and B {} must have the same dims", to_string(context.shape(0)),
                   to_string(context.shape(1)));
  infer_same_type(context);
}

void swiglu_reference(KernelContext& context) {
  const Tensor& a = context.input(0);
  const Tensor& b = context.input(1);
  if (a.dims() != b.dims())
    context.refuse("A {} and B {} must have the same dims", to_string(a.dims()), to_string(b.dims()));
  map_broadcast<double, double>(context.env(), a, b, context.allocate_output(0, a.dtype(), a.dims()),
                                SwiGLU(context));
}

bool uses_tanh(const Node& node) {
  return node.string_attribute("approximate", "none") == "tanh";
}

struct Gelu {
  explicit Gelu(const KernelContext& context) : approximate(uses_tanh(context.node())) {}
  double operator()(double x) const {
    if (!approximate) return 0.5 * x * (1.0 + std::erf(x * std::numbers::sqrt2 / 2));
    constexpr double kScale = 0.7978845608028654;  // sqrt(2 / pi)
    return 0.5 * x * (1.0 + std::tanh(kScale * (x + 0.044715 * x * x * x)));
  }
  bool approximate;
};

struct HardSigmoid {
  explicit HardSigmoid(const KernelContext& context)
      : alpha(context.node().float_attribute("alpha", 0.2f)),
        beta(context.node().float_attribute("beta", 0.5f)) {}
  double operator()(double x) const { return std::clamp(alpha * x + beta, 0.0, 1.0); }
  double alpha, beta;
};

struct HardSwish {
  double operator()(double x) const { return x * std::clamp(x / 6.0 + 0.5, 0.0, 1.0); }
};

void infer_gelu(InferenceContext& context) {
  const std::string approximate = context.node().string_attribute("approximate", "none");
  if (approximate != "none" && approximate != "tanh") {
    context.refuse("approximate is \"{}\"; it must be \"none\" or \"tanh\"", approximate);
  }
  infer_same_type(context);
}

constexpr OpSchema activation(std::string_view op, int since_version, KernelFunction reference,
                              FixedList<AttributeSpec, 24> attributes = {},
                              void (*infer)(InferenceContext&) = infer_same_type) {
  return {.domain = "",
          .op = op,
          .since_version = since_version,
          .inputs = {{"X", "T", kFloatTypes}},
          .outputs = {{"Y", "T", kFloatTypes}},
          .attributes = attributes,
          .infer = infer,
          .reference = reference};
}

constexpr AttributeSpec kAlpha = {"alpha", AttributeKind::kFloat};
constexpr AttributeSpec kBeta = {"beta", AttributeKind::kFloat};
constexpr AttributeSpec kGamma = {"gamma", AttributeKind::kFloat};
constexpr DTypeSet kPReluTypes = kFloatTypes | DTypeSet{DType::kI32, DType::kI64, DType::kU32, DType::kU64};

}  // namespace

// Y = f(X), element by element.
extern constinit const OpSchema kSigmoid = activation("Sigmoid", 13, float_unary<Sigmoid>);
extern constinit const OpSchema kSoftplus = activation("Softplus", 22, float_unary<Softplus>);
extern constinit const OpSchema kSwish = activation("Swish", 24, float_unary<Swish>, {kAlpha});
extern constinit const OpSchema kLeakyRelu = activation("LeakyRelu", 16, float_unary<LeakyRelu>, {kAlpha});
extern constinit const OpSchema kElu = activation("Elu", 22, float_unary<Elu>, {kAlpha});
extern constinit const OpSchema kSelu = activation("Selu", 22, float_unary<Selu>, {kAlpha, kGamma});
extern constinit const OpSchema kCelu = activation("Celu", 28, float_unary<Celu>, {kAlpha});
extern constinit const OpSchema kMish = activation("Mish", 22, float_unary<Mish>);
extern constinit const OpSchema kSoftsign = activation("Softsign", 22, float_unary<Softsign>);
extern constinit const OpSchema kThresholdedRelu =
    activation("ThresholdedRelu", 22, float_unary<ThresholdedRelu>, {kAlpha});
extern constinit const OpSchema kHardSigmoid =
    activation("HardSigmoid", 22, float_unary<HardSigmoid>, {kAlpha, kBeta});
extern constinit const OpSchema kHardSwish = activation("HardSwish", 22, float_unary<HardSwish>);
// approximate: "none" is x Φ(x), "tanh" its approximation.
extern constinit const OpSchema kGelu =
    activation("Gelu", 20, float_unary<Gelu>, {{"approximate", AttributeKind::kString}}, infer_gelu);

extern constinit const OpSchema kRelu = {
    .domain = "",
    .op = "Relu",
    .since_version = 14,
    .inputs = {{"X", "T", kFloatTypes | kSignedTypes}},
    .outputs = {{"Y", "T", kFloatTypes | kSignedTypes}},
    .attributes = {},
    .infer = infer_same_type,
    .reference = numeric_unary<Relu>,
};

// x + bias below -lambd, x - bias above lambd, else 0.
extern constinit const OpSchema kShrink = {
    .domain = "",
    .op = "Shrink",
    .since_version = 9,
    .inputs = {{"input", "T", kNumericTypes}},
    .outputs = {{"output", "T", kNumericTypes}},
    .attributes = {{"bias", AttributeKind::kFloat}, {"lambd", AttributeKind::kFloat}},
    .infer = infer_same_type,
    .reference = numeric_unary<Shrink>,
};

// x, or slope · x below 0; slope broadcasts to X.
extern constinit const OpSchema kPRelu = {
    .domain = "",
    .op = "PRelu",
    .since_version = 16,
    .inputs = {{"X", "T", kPReluTypes}, {"slope", "T", kPReluTypes}},
    .outputs = {{"Y", "T", kPReluTypes}},
    .attributes = {},
    .infer = infer_prelu,
    .reference = prelu_reference,
};

// Swish(A) · B, both of the same dims.
extern constinit const OpSchema kGatedSwish = {
    .domain = "",
    .op = "SwiGLU",
    .since_version = 28,
    .inputs = {{"A", "T", kFloatTypes}, {"B", "T", kFloatTypes}},
    .outputs = {{"Y", "T", kFloatTypes}},
    .attributes = {kAlpha},
    .infer = infer_swiglu,
    .reference = swiglu_reference,
};

}  // namespace oag
