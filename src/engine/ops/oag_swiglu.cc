// oag.SwiGLU: the gated activation of most language models' feed-forward parts.
#include <cmath>

#include "engine/ops/schema.h"

namespace oag {
namespace {

void infer_swiglu(InferenceContext& context) {
  if (!(context.shape(0) == context.shape(1))) {
    context.refuse("gate {} and up {} differ", to_string(context.shape(0)), to_string(context.shape(1)));
  }
  context.set_output(0, context.dtype(0), context.shape(0));
}

void swiglu_reference(KernelContext& context) {
  const auto gate = context.input(0).values<float>();
  const auto up = context.input(1).values<float>();
  const auto out = context.output(0).values<float>();
  for (size_t i = 0; i < out.size(); ++i) {
    const double g = gate[i];
    out[i] = static_cast<float>(g / (1.0 + std::exp(-g)) * up[i]);
  }
}

std::vector<ValueId> decompose_swiglu(Graph& graph, const Node& node) {
  const ValueId activated = graph.add("", "Swish", {node.inputs[0]});
  return {graph.add("", "Mul", {activated, node.inputs[1]})};
}

}  // namespace

// out = gate · sigmoid(gate) · up, all of one shape, f32.
extern constinit const OpSchema kSwiGLU = {
    .domain = "oag",
    .op = "SwiGLU",
    .since_version = 1,
    .inputs = {{"gate", "T", {DType::kF32}}, {"up", "T", {DType::kF32}}},
    .outputs = {{"out", "T", {DType::kF32}}},
    .attributes = {},
    .infer = infer_swiglu,
    .reference = swiglu_reference,
    .decompose = decompose_swiglu,
};

}  // namespace oag
