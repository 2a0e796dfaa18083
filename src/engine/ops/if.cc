// If: one of two graphs, by a condition.
#include <string_view>
#include <vector>

#include "engine/ops/control_flow.h"

namespace oag {
namespace {

constexpr std::string_view kThen = "then_branch", kElse = "else_branch";

std::vector<Body> if_bodies(const InferenceContext& context) {
  Body chosen{kThen, {}};
  append_captures(context, own_input_count(context, 1), chosen.inputs);
  return {chosen, {kElse, chosen.inputs}};
}

void infer_if(InferenceContext& context) {
  const std::vector<Body> bodies = if_bodies(context);
  const std::vector<ValueType> yes = context.infer_body(bodies[0]), no = context.infer_body(bodies[1]);
  if (yes.size() != no.size() || yes.size() != context.output_count()) {
    context.refuse("has {} outputs, its then_branch {} and its else_branch {}", context.output_count(),
                   yes.size(), no.size());
  }
  for (size_t o = 0; o < yes.size(); ++o) {
    auto joined = join_types(yes[o], no[o], context.fresh_dim("output" + std::to_string(o)).to_string());
    if (!joined) {
      context.refuse("output {} is {} of the then_branch and {} of the else_branch", o, to_string(yes[o]),
                     to_string(no[o]));
    }
    context.set_output_type(o, std::move(*joined));
  }
}

void if_reference(KernelContext& context) {
  const Tensor& condition = context.input(0);
  if (condition.count() != 1)
    context.refuse("cond must hold one element, it is {}", to_string(condition.dims()));
  std::vector<Tensor> inputs, outputs;
  append_captures(context, own_input_count(context, 1), inputs);
  if (!context.run_body(condition.values<bool>()[0] ? kThen : kElse, inputs, outputs)) return;
  for (size_t o = 0; o < outputs.size(); ++o) {
    if (context.wants_output(o)) context.set_output(o, outputs[o]);
  }
}

}  // namespace

// The outputs of then_branch where cond, one bool, is true, of else_branch where it is not. The branches take
// the captures.
extern constinit const OpSchema kIf = {
    .domain = "",
    .op = "If",
    .since_version = 25,
    .inputs = {{"cond", "B", {DType::kBool}}, {"captures", "", kEveryType, true, true, kAnyKind}},
    .outputs = {{"outputs", "", kEveryType, false, true, kAnyKind}},
    .attributes = {{"then_branch", AttributeKind::kGraph, true},
                   {"else_branch", AttributeKind::kGraph, true},
                   {"captures", AttributeKind::kInt}},
    .infer = infer_if,
    .reference = if_reference,
    .bodies = if_bodies,
};

}  // namespace oag
