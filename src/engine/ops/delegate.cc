// oag.Delegate: a graph that another engine computes.
#include "engine/ops/control_flow.h"

namespace oag {
namespace {

void infer_delegate(InferenceContext& context) {
  const GraphPtr body = context.node().graph_attribute("body");
  if (body->inputs.size() != context.input_count() || body->outputs.size() != context.output_count()) {
    context.refuse("its body takes {} values and gives {}, the node has {} inputs and {} outputs",
                   body->inputs.size(), body->outputs.size(), context.input_count(), context.output_count());
  }
  for (size_t o = 0; o < body->outputs.size(); ++o)
    context.set_output_type(o, body->value(body->outputs[o]).type);
}

}  // namespace

// The outputs of `body`, whose values have their types, by the engine of that name. `reasons` says of each
// node of the body why it is there.
extern constinit const OpSchema kDelegate = {
    .domain = "oag",
    .op = "Delegate",
    .since_version = 1,
    .inputs = {{"inputs", "", kEveryType, true, true, kAnyKind}},
    .outputs = {{"outputs", "", kEveryType, false, true, kAnyKind}},
    .attributes = {{"engine", AttributeKind::kString, true},
                   {"body", AttributeKind::kGraph, true},
                   {"reasons", AttributeKind::kStrings, true}},
    .infer = infer_delegate,
    .deterministic = false,
};

}  // namespace oag
