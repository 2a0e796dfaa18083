// Loop: a graph again and again, for a number of rounds and while a condition holds.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "engine/ops/control_flow.h"
#include "engine/tensor/container.h"

namespace oag {
namespace {

constexpr std::string_view kBody = "body";
constexpr size_t kGiven = 2;  // M and cond come before the states; round and condition do in the body

Body loop_body(const InferenceContext& context, size_t states) {
  Body body{kBody, {{ValueType::tensor(DType::kI64, Shape{})}, {ValueType::tensor(DType::kBool, Shape{})}}};
  for (size_t i = 0; i < states; ++i) body.inputs.push_back({context.type(kGiven + i)});
  append_captures(context, kGiven + states, body.inputs);
  return body;
}

size_t state_count(const InferenceContext& context) {
  const size_t states = own_input_count(context, kGiven) - kGiven;
  for (size_t i = 0; i < states; ++i) {
    if (!context.has_input(kGiven + i)) context.refuse("state {} has no initial value", i);
  }
  return states;
}

std::vector<Body> loop_bodies(const InferenceContext& context) {
  const size_t states = state_count(context);
  std::vector<Body> bodies = {loop_body(context, states)};
  settle_states(context, bodies[0], kGiven, states, 1);
  return bodies;
}

void infer_loop(InferenceContext& context) {
  const size_t states = state_count(context);
  Body body = loop_body(context, states);
  const std::vector<ValueType> outputs = settle_states(context, body, kGiven, states, 1);
  if (outputs.size() != context.output_count() + 1)
    context.refuse("has {} outputs, its body {} besides the condition", context.output_count(),
                   outputs.size() - 1);
  for (size_t i = 0; i < states; ++i) {
    const ValueType& state = body.inputs[kGiven + i].type;
    context.set_output_type(i, gives_element(state, outputs[1 + i]) ? outputs[1 + i] : state);
  }
  for (size_t o = states; o < context.output_count(); ++o) {
    const ValueType& slice = outputs[o + 1];
    if (slice.kind != TypeKind::kTensor)
      context.refuse("output {} of its body is {}, scan outputs are tensors", o + 1, to_string(slice));
    std::optional<Shape> shape = slice.shape;
    if (shape) shape->insert(shape->begin(), context.fresh_dim("rounds"));
    context.set_output(o, slice.dtype, std::move(shape));
  }
}

template <typename T>
T single(const KernelContext& context, const Tensor& tensor, std::string_view what) {
  if (tensor.count() != 1)
    context.refuse("{} must hold one element, it is {}", what, to_string(tensor.dims()));
  return tensor.values<T>()[0];
}

template <typename T>
Tensor scalar(DType dtype, T value) {
  return Tensor::of<T>(dtype, {}, {&value, 1});
}

// A state as the body takes it, whose first one was `initial`.
Tensor as_input(const Tensor& initial, const Tensor& state) {
  return initial.dtype() == DType::kOptional && state.dtype() != DType::kOptional ? make_optional(state)
                                                                                  : state;
}

// What the body would have made of a state if there had been a round.
Tensor as_output(const KernelContext& context, const ValueType& declared, const Tensor& state, size_t i) {
  if (state.dtype() != DType::kOptional || declared.kind == TypeKind::kOptional) return state;
  if (elements_of(state).empty()) context.refuse("state {} begins empty and no round gives it a value", i);
  return deep_copy(elements_of(state)[0]);
}

void loop_reference(KernelContext& context) {
  const size_t states = own_input_count(context, kGiven) - kGiven;
  const int64_t rounds = context.has_input(0) ? single<int64_t>(context, context.input(0), "M")
                                              : std::numeric_limits<int64_t>::max();
  bool goes_on = !context.has_input(1) || single<bool>(context, context.input(1), "cond");
  std::vector<Tensor> state;
  for (size_t i = 0; i < states; ++i) state.push_back(context.input(kGiven + i));
  std::vector<Stack> stacks(context.output_count() - states);
  for (int64_t round = 0; round < rounds && goes_on; ++round) {
    if (context.env().should_stop()) return;
    std::vector<Tensor> inputs = {scalar(DType::kI64, round), scalar(DType::kBool, goes_on)}, outputs;
    for (size_t i = 0; i < states; ++i) inputs.push_back(as_input(context.input(kGiven + i), state[i]));
    append_captures(context, kGiven + states, inputs);
    if (!context.run_body(kBody, inputs, outputs)) return;
    goes_on = single<bool>(context, outputs[0], "the body's condition");
    for (size_t i = 0; i < states; ++i) state[i] = outputs[1 + i];
    for (size_t k = 0; k < stacks.size(); ++k) stacks[k].add(outputs[1 + states + k]);
  }
  const Graph& body = *context.node().graph_attribute(kBody);
  for (size_t i = 0; i < states; ++i)
    state[i] = as_output(context, body.value(body.outputs[1 + i]).type, state[i], i);
  set_states(context, kGiven, state);
  for (size_t k = 0; k < stacks.size(); ++k) {
    if (!context.wants_output(states + k)) continue;
    const ValueType& declared = body.value(body.outputs[1 + states + k]).type;
    context.set_output(states + k, stacks[k].join(context, 0, false, declared));
  }
}

}  // namespace

// body(round i64, cond bool, states…, captures…) -> (cond, states…, scan outputs…), at most M times (no bound
// by default) and while cond (true by default). Scan outputs are stacked along a new first dim.
extern constinit const OpSchema kLoop = {
    .domain = "",
    .op = "Loop",
    .since_version = 25,
    .inputs = {{"M", "I", {DType::kI64}, true},
               {"cond", "B", {DType::kBool}, true},
               {"v_initial", "", kEveryType, true, true, kAnyKind}},
    .outputs = {{"v_final_and_scan_outputs", "", kEveryType, false, true, kAnyKind}},
    .attributes = {{"body", AttributeKind::kGraph, true}, {"captures", AttributeKind::kInt}},
    .infer = infer_loop,
    .reference = loop_reference,
    .bodies = loop_bodies,
};

}  // namespace oag
