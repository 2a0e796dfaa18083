// FusedConv and FusedGemm of com.microsoft: a layer and the activation behind it.
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ops/decomposition.h"

namespace oag {
namespace {

// The parameters of an activation that is an operator of ai.onnx, by the names of its attributes.
struct Activation {
  std::string_view op;
  FixedList<std::string_view, 2> parameters;
};

constexpr Activation kActivations[] = {{"Celu", {"alpha"}},
                                       {"Elu", {"alpha"}},
                                       {"HardSigmoid", {"alpha", "beta"}},
                                       {"HardSwish", {}},
                                       {"LeakyRelu", {"alpha"}},
                                       {"Relu", {}},
                                       {"Selu", {"alpha", "gamma"}},
                                       {"Sigmoid", {}},
                                       {"Softplus", {}},
                                       {"Softsign", {}},
                                       {"Tanh", {}},
                                       {"ThresholdedRelu", {"alpha"}}};

const Activation* find_activation(std::string_view op) {
  for (const Activation& activation : kActivations) {
    if (activation.op == op) return &activation;
  }
  return nullptr;
}

// alpha · f(beta · x) of a smooth f.
ValueId add_scaled(Decomposition& into, std::string_view op, ValueId x, DType dtype) {
  const Node& node = into.node();
  const ValueId alpha = into.number("alpha", dtype, node.float_attribute("activation_alpha", 1)),
                beta = into.number("beta", dtype, node.float_attribute("activation_beta", 1));
  return into.add("Mul", {into.add(op, {into.add("Mul", {x, beta})}), alpha});
}

std::vector<ValueId> decompose_fused_gemm(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  const ValueId product = into.add(
      "Gemm", node.inputs,
      into.attributes_without({"activation", "activation_alpha", "activation_beta", "activation_gamma"}));
  const std::string name = node.string_attribute("activation", "");
  if (name.empty()) return {product};
  if (name == "ParametricSoftplus") return {add_scaled(into, "Softplus", product, into.dtype(0))};
  if (name == "ScaledTanh") return {add_scaled(into, "Tanh", product, into.dtype(0))};
  const Activation* activation = find_activation(name);
  if (activation == nullptr) into.refuse("its activation {} is not known", name);
  Attributes attributes;
  for (const std::string_view parameter : activation->parameters) {
    const auto given = node.attributes.find(fmt::format("activation_{}", parameter));
    if (given != node.attributes.end()) attributes.emplace(parameter, given->second);
  }
  return {into.add(activation->op, {product}, std::move(attributes))};
}

std::vector<ValueId> decompose_fused_conv(Graph& graph, const Node& node) {
  Decomposition into(graph, node);
  ValueId sum = into.add("Conv", {into.input(0), into.input(1), into.input(2)},
                         into.attributes_without({"activation", "activation_params"}));
  if (into.has_input(3)) sum = into.add("Add", {sum, into.input(3)});
  const std::string name = node.string_attribute("activation", "");
  if (name.empty()) return {sum};
  const std::vector<float> given = node.floats_attribute("activation_params");
  if (name == "Clip") {
    if (given.size() != 2) into.refuse("Clip has {} activation_params; it takes 2", given.size());
    const DType dtype = into.dtype(0);
    return {
        into.add("Clip", {sum, into.number("min", dtype, given[0]), into.number("max", dtype, given[1])})};
  }
  const Activation* activation = find_activation(name);
  if (activation == nullptr) into.refuse("its activation {} is not known", name);
  const size_t wanted = activation->parameters.size();
  if (wanted != 0 && given.size() != wanted)
    into.refuse("{} has {} activation_params; it takes {}", name, given.size(), wanted);
  Attributes attributes;
  for (size_t i = 0; i < wanted; ++i) attributes.emplace(activation->parameters[i], given[i]);
  return {into.add(activation->op, {sum}, std::move(attributes))};
}

}  // namespace

// activation(alpha · A · B + beta · C).
extern constinit const OpSchema kMicrosoftFusedGemm = {
    .domain = "com.microsoft",
    .op = "FusedGemm",
    .since_version = 1,
    .inputs = {{"A", "T", kFloatTypes}, {"B", "T", kFloatTypes}, {"C", "T", kFloatTypes, true}},
    .outputs = {{"Y", "T", kFloatTypes}},
    .attributes = {{"activation", AttributeKind::kString},
                   {"activation_alpha", AttributeKind::kFloat},
                   {"activation_beta", AttributeKind::kFloat},
                   {"activation_gamma", AttributeKind::kFloat},
                   {"alpha", AttributeKind::kFloat},
                   {"beta", AttributeKind::kFloat},
                   {"transA", AttributeKind::kInt},
                   {"transB", AttributeKind::kInt}},
    .infer = infer_by_decomposition,
    .decompose = decompose_fused_gemm,
};

// activation(Conv(X, W, B) + Z).
extern constinit const OpSchema kMicrosoftFusedConv = {
    .domain = "com.microsoft",
    .op = "FusedConv",
    .since_version = 1,
    .inputs = {{"X", "T", kFloatTypes},
               {"W", "T", kFloatTypes},
               {"B", "T", kFloatTypes, true},
               {"Z", "T", kFloatTypes, true}},
    .outputs = {{"Y", "T", kFloatTypes}},
    .attributes = {{"activation", AttributeKind::kString},
                   {"activation_params", AttributeKind::kFloats},
                   {"auto_pad", AttributeKind::kString},
                   {"dilations", AttributeKind::kInts},
                   {"group", AttributeKind::kInt},
                   {"kernel_shape", AttributeKind::kInts},
                   {"pads", AttributeKind::kInts},
                   {"strides", AttributeKind::kInts}},
    .infer = infer_by_decomposition,
    .decompose = decompose_fused_conv,
};

}  // namespace oag
