// SequenceMap: a graph for each element of a sequence.
#include <utility>
#include <vector>

#include "engine/ops/control_flow.h"
#include "engine/tensor/container.h"

namespace oag {
namespace {

constexpr std::string_view kBody = "body";

BodyInput element_input(const InferenceContext& context, size_t i) {
  const ValueType& type = context.type(i);
  if (type.kind != TypeKind::kSequence) return {type};
  return {type.element ? *type.element : ValueType{}};
}

std::vector<Body> sequence_map_bodies(const InferenceContext& context) {
  const size_t own = own_input_count(context, 1);
  Body body{kBody, {}};
  for (size_t i = 0; i < own; ++i) body.inputs.push_back(element_input(context, i));
  append_captures(context, own, body.inputs);
  return {body};
}

void infer_sequence_map(InferenceContext& context) {
  std::vector<ValueType> outputs = context.infer_body(sequence_map_bodies(context)[0]);
  if (outputs.size() != context.output_count())
    context.refuse("has {} outputs, its body {}", context.output_count(), outputs.size());
  for (size_t o = 0; o < outputs.size(); ++o)
    context.set_output_type(o, ValueType::sequence(std::move(outputs[o])));
}

void sequence_map_reference(KernelContext& context) {
  const size_t own = own_input_count(context, 1);
  const int64_t length = context.input(0).count();
  for (size_t i = 1; i < own; ++i) {
    const Tensor& input = context.input(i);
    if (input.dtype() == DType::kSequence && input.count() != length)
      context.refuse("input {} has {} elements, the input sequence {}", i, input.count(), length);
  }
  std::vector<std::vector<Tensor>> sequences(context.output_count());
  for (int64_t n = 0; n < length; ++n) {
    std::vector<Tensor> inputs, outputs;
    for (size_t i = 0; i < own; ++i) {
      const Tensor& input = context.input(i);
      inputs.push_back(input.dtype() == DType::kSequence ? elements_of(input)[static_cast<size_t>(n)]
                                                         : input);
    }
    append_captures(context, own, inputs);
    if (context.env().should_stop() || !context.run_body(kBody, inputs, outputs)) return;
    for (size_t o = 0; o < outputs.size(); ++o) sequences[o].push_back(std::move(outputs[o]));
  }
  for (size_t o = 0; o < sequences.size(); ++o) {
    if (context.wants_output(o)) context.set_output(o, make_sequence(std::move(sequences[o])));
  }
}

}  // namespace

// body(element, element or tensor of each additional input…, captures…) for each element of input_sequence;
// its outputs are the elements of the output sequences.
extern constinit const OpSchema kSequenceMap = {
    .domain = "",
    .op = "SequenceMap",
    .since_version = 17,
    .inputs = {{"input_sequence", "S", kEveryType, false, false, kSequenceKind},
               {"additional_inputs", "", kEveryType, true, true, kAnyKind}},
    .outputs = {{"out_sequence", "", kEveryType, false, true, kAnyKind}},
    .attributes = {{"body", AttributeKind::kGraph, true}, {"captures", AttributeKind::kInt}},
    .infer = infer_sequence_map,
    .reference = sequence_map_reference,
    .bodies = sequence_map_bodies,
};

}  // namespace oag
