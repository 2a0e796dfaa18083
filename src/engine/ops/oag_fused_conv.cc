// oag.FusedConv: a convolution and what is done to its output element by element.
#include "engine/ops/conv_sizes.h"
#include "engine/ops/fused_conv.h"
#include "engine/ops/schema.h"

namespace oag {
namespace {

constexpr FusedActivation kActivations[] = {
    {"Relu", {}, {}},
    {"Sigmoid", {}, {}},
    {"HardSwish", {}, {}},
    {"Swish", {}, {}},
    {"Gelu", {}, {}},
    {"LeakyRelu", {"alpha"}, {0.01f}},
    {"HardSigmoid", {"alpha", "beta"}, {0.2f, 0.5f}},
    {"Clip", {}, {}},
};

void infer_fused_conv(InferenceContext& context) {
  const size_t rank = context.shape(1).size();
  if (rank != 3 && rank != 4) context.refuse("w {} must have 3 or 4 dims", to_string(context.shape(1)));
  const std::string activation = context.node().string_attribute("activation", "");
  if (!activation.empty() && fused_activation(activation) == nullptr)
    context.refuse("activation is \"{}\", which is not known", activation);
  if (activation == "Clip" && context.node().floats_attribute("activation_params").size() != 2)
    context.refuse("Clip needs two activation_params");
  infer_conv(context);
}

ValueId scalar(Graph& graph, float value) {
  return graph.add_constant("", Tensor::of<float>(DType::kF32, {}, std::span<const float>(&value, 1)));
}

ValueId activated(Graph& graph, ValueId x, const std::string& op, const std::vector<float>& params) {
  if (op == "Clip") return graph.add("", op, {x, scalar(graph, params[0]), scalar(graph, params[1])});
  Attributes attributes;
  const FusedActivation& activation = *fused_activation(op);
  for (size_t i = 0; i < activation.attributes.size() && i < params.size(); ++i)
    attributes.emplace(activation.attributes[i], params[i]);
  return graph.add("", op, {x}, std::move(attributes));
}

std::vector<ValueId> decompose_fused_conv(Graph& graph, const Node& node) {
  Attributes attributes = node.attributes;
  for (const char* key : {"activation", "activation_params", "scale", "shift"}) attributes.erase(key);
  std::vector<ValueId> inputs(node.inputs.begin(),
                              node.inputs.begin() + std::min<std::ptrdiff_t>(3, std::ssize(node.inputs)));
  ValueId y = graph.add("", "Conv", std::move(inputs), std::move(attributes), node.name);
  if (node.inputs.size() > 3 && node.inputs[3] != kNoValue) y = graph.add("", "Add", {y, node.inputs[3]});
  const std::string activation = node.string_attribute("activation", "");
  if (!activation.empty()) y = activated(graph, y, activation, node.floats_attribute("activation_params"));
  if (node.has_attribute("scale"))
    y = graph.add("", "Mul", {y, scalar(graph, node.float_attribute("scale", 1.0f))});
  if (node.has_attribute("shift"))
    y = graph.add("", "Add", {y, scalar(graph, node.float_attribute("shift", 0.0f))});
  return {y};
}

}  // namespace

const FusedActivation* fused_activation(std::string_view op) {
  for (const FusedActivation& known : kActivations) {
    if (known.op == op) return &known;
  }
  return nullptr;
}

// y = scale · activation(Conv(x, w, b) + z) + shift with one or two spatial dims; z has the dims of y.
extern constinit const OpSchema kFusedConv = {
    .domain = "oag",
    .op = "FusedConv",
    .since_version = 1,
    .inputs = {{"x", "T", {DType::kF32}},
               {"w", "T", {DType::kF32}},
               {"b", "T", {DType::kF32}, true},
               {"z", "T", {DType::kF32}, true}},
    .outputs = {{"y", "T", {DType::kF32}}},
    .attributes = {{"activation", AttributeKind::kString},
                   {"activation_params", AttributeKind::kFloats},
                   {"auto_pad", AttributeKind::kString},
                   {"dilations", AttributeKind::kInts},
                   {"group", AttributeKind::kInt},
                   {"kernel_shape", AttributeKind::kInts},
                   {"pads", AttributeKind::kInts},
                   {"scale", AttributeKind::kFloat},
                   {"shift", AttributeKind::kFloat},
                   {"strides", AttributeKind::kInts}},
    .infer = infer_fused_conv,
    .decompose = decompose_fused_conv,
};

}  // namespace oag
