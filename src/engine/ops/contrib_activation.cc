// Activations of com.microsoft: BiasGelu FastGelu Gelu QuickGelu.
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "engine/ops/decomposition.h"
#include "engine/ops/elementwise.h"

namespace oag {
namespace {

constexpr DTypeSet kGeluTypes = {DType::kF32, DType::kF16, DType::kBF16, DType::kF64};

struct ExactGelu {
  double operator()(double x) const { return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2)); }
};

struct TanhGelu {
  double operator()(double x) const {
    constexpr double kCubic = 0.044715;
    const double inner = std::numbers::sqrt2 / std::sqrt(std::numbers::pi) * (x + kCubic * x * x * x);
    return 0.5 * x * (1 + std::tanh(inner));
  }
};

struct QuickGelu {
  explicit QuickGelu(const KernelContext& context) : alpha(context.node().float_attribute("alpha", 1.702f)) {}
  double operator()(double x) const { return x / (1 + std::exp(-alpha * x)); }
  double alpha;
};

// Of the sum with a bias, where there is one.
template <typename Gelu>
void biased_reference(KernelContext& context) {
  if (!context.has_input(1)) return float_unary<Gelu>(context);
  const Tensor& in = context.input(0);
  const Tensor& bias = context.input(1);
  if (bias.rank() != 1 || in.rank() == 0 || bias.dim(0) != in.dims().back())
    context.refuse("bias {} does not fit {}", to_string(bias.dims()), to_string(in.dims()));
  const Tensor& out = context.allocate_output(0, in.dtype(), in.dims());
  map_broadcast<double, double>(context.env(), in, bias, out,
                                [](double x, double b) { return Gelu()(x + b); });
}

// Parts round in between, which costs narrow types accuracy and saves no time.
std::vector<ValueId> decompose_gelu(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  if (into.dtype(0) != DType::kF32) return {};
  const ValueId sum = into.has_input(1) ? into.add("Add", {into.input(0), into.input(1)}) : into.input(0);
  const bool by_tanh = node.op == "FastGelu";
  return {into.add("Gelu", {sum}, {{"approximate", std::string(by_tanh ? "tanh" : "none")}})};
}

std::vector<ValueId> decompose_quick_gelu(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  if (into.dtype(0) != DType::kF32) return {};
  return {into.add("Swish", {into.input(0)}, {{"alpha", node.float_attribute("alpha", 1.702f)}})};
}

}  // namespace

extern constinit const OpSchema kMicrosoftGelu = {
    .domain = "com.microsoft",
    .op = "Gelu",
    .since_version = 1,
    .inputs = {{"X", "T", kGeluTypes}},
    .outputs = {{"Y", "T", kGeluTypes}},
    .attributes = {},
    .infer = infer_same_type,
    .reference = float_unary<ExactGelu>,
    .decompose = decompose_gelu,
};

// Gelu of A + B.
extern constinit const OpSchema kMicrosoftBiasGelu = {
    .domain = "com.microsoft",
    .op = "BiasGelu",
    .since_version = 1,
    .inputs = {{"A", "T", kGeluTypes}, {"B", "T", kGeluTypes}},
    .outputs = {{"C", "T", kGeluTypes}},
    .attributes = {},
    .infer = infer_same_type,
    .reference = biased_reference<ExactGelu>,
    .decompose = decompose_gelu,
};

// Gelu of X + bias, by tanh.
extern constinit const OpSchema kMicrosoftFastGelu = {
    .domain = "com.microsoft",
    .op = "FastGelu",
    .since_version = 1,
    .inputs = {{"X", "T", kGeluTypes}, {"bias", "T", kGeluTypes, true}},
    .outputs = {{"Y", "T", kGeluTypes}},
    .attributes = {},
    .infer = infer_same_type,
    .reference = biased_reference<TanhGelu>,
    .decompose = decompose_gelu,
};

// X * sigmoid(alpha * X).
extern constinit const OpSchema kMicrosoftQuickGelu = {
    .domain = "com.microsoft",
    .op = "QuickGelu",
    .since_version = 1,
    .inputs = {{"X", "T", kGeluTypes}},
    .outputs = {{"Y", "T", kGeluTypes}},
    .attributes = {{"alpha", AttributeKind::kFloat}},
    .infer = infer_same_type,
    .reference = float_unary<QuickGelu>,
    .decompose = decompose_quick_gelu,
};

}  // namespace oag
