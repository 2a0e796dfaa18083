// Activations: Swish Sigmoid Relu LeakyRelu Elu Gelu Softplus HardSigmoid HardSwish.
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

}  // namespace

// Y = f(X), element by element.
extern constinit const OpSchema kSigmoid = activation("Sigmoid", 13, float_unary<Sigmoid>);
extern constinit const OpSchema kSoftplus = activation("Softplus", 22, float_unary<Softplus>);
extern constinit const OpSchema kSwish = activation("Swish", 24, float_unary<Swish>, {kAlpha});
extern constinit const OpSchema kLeakyRelu = activation("LeakyRelu", 16, float_unary<LeakyRelu>, {kAlpha});
extern constinit const OpSchema kElu = activation("Elu", 22, float_unary<Elu>, {kAlpha});
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

}  // namespace oag
