// Scan: a graph for each slice of some inputs, with states that go from one to the next.
#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "engine/ops/control_flow.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

constexpr std::string_view kBody = "body";

// How a node's inputs and outputs divide.
struct ScanSizes {
  size_t states = 0;
  size_t scanned = 0;
};

template <typename Context>
ScanSizes scan_sizes(const Context& context) {
  const size_t own = own_input_count(context, 1);
  const int64_t scanned = context.node().int_attribute("num_scan_inputs");
  if (scanned < 1 || static_cast<size_t>(scanned) > own)
    context.refuse("num_scan_inputs is {}, it has {} inputs of its own", scanned, own);
  return {own - static_cast<size_t>(scanned), static_cast<size_t>(scanned)};
}

// Item i of an attribute with one item for each of `count` inputs or outputs; 0 when it is absent.
template <typename Context>
int64_t item(const Context& context, std::string_view attribute, size_t i, size_t count) {
  const std::vector<int64_t> items = context.node().ints_attribute(attribute);
  if (items.empty()) return 0;
  if (items.size() != count) context.refuse("{} has {} items, expected {}", attribute, items.size(), count);
  return items[i];
}

BodyInput slice_input(const InferenceContext& context, const ScanSizes& sizes, size_t i) {
  ValueType type = context.type(sizes.states + i);
  if (type.shape) {
    const int64_t axis =
        normalize_axis(context, item(context, "scan_input_axes", i, sizes.scanned), type.shape->size());
    type.shape->erase(type.shape->begin() + axis);
  }
  return {std::move(type)};
}

Body scan_body(const InferenceContext& context, const ScanSizes& sizes) {
  Body body{kBody, {}};
  for (size_t i = 0; i < sizes.states; ++i) body.inputs.push_back({context.type(i)});
  for (size_t i = 0; i < sizes.scanned; ++i) body.inputs.push_back(slice_input(context, sizes, i));
  append_captures(context, sizes.states + sizes.scanned, body.inputs);
  return body;
}

std::vector<Body> scan_bodies(const InferenceContext& context) {
  const ScanSizes sizes = scan_sizes(context);
  std::vector<Body> bodies = {scan_body(context, sizes)};
  settle_states(context, bodies[0], 0, sizes.states, 0);
  return bodies;
}

// The length of the scanned dims, as far as it is known.
Dim scan_length(const InferenceContext& context, const ScanSizes& sizes) {
  for (size_t i = 0; i < sizes.scanned; ++i) {
    const size_t input = sizes.states + i;
    if (!context.has_shape(input)) continue;
    const Shape& shape = context.shape(input);
    return shape[static_cast<size_t>(
        normalize_axis(context, item(context, "scan_input_axes", i, sizes.scanned), shape.size()))];
  }
  return context.fresh_dim("length");
}

void check_directions(const InferenceContext& context, std::string_view attribute) {
  for (const int64_t direction : context.node().ints_attribute(attribute)) {
    if (direction != 0 && direction != 1)
      context.refuse("{} has a {}, expected 0 (forwards) or 1 (backwards)", attribute, direction);
  }
}

void infer_scan(InferenceContext& context) {
  const ScanSizes sizes = scan_sizes(context);
  check_directions(context, "scan_input_directions");
  check_directions(context, "scan_output_directions");
  Body body = scan_body(context, sizes);
  const std::vector<ValueType> outputs = settle_states(context, body, 0, sizes.states, 0);
  if (outputs.size() != context.output_count())
    context.refuse("has {} outputs, its body {}", context.output_count(), outputs.size());
  for (size_t i = 0; i < sizes.states; ++i) context.set_output_type(i, body.inputs[i].type);
  const size_t stacks = outputs.size() - sizes.states;
  for (size_t k = 0; k < stacks; ++k) {
    const ValueType& slice = outputs[sizes.states + k];
    std::optional<Shape> shape = slice.shape;
    if (shape) {
      const int64_t axis =
          normalize_axis(context, item(context, "scan_output_axes", k, stacks), shape->size() + 1);
      shape->insert(shape->begin() + axis, scan_length(context, sizes));
    }
    context.set_output(sizes.states + k, slice.dtype, std::move(shape));
  }
}

// The axis along which scan input i is cut. Errors: through `context` when its length is not `length`.
size_t scan_axis(const KernelContext& context, const ScanSizes& sizes, size_t i, int64_t& length) {
  const Tensor& input = context.input(sizes.states + i);
  const size_t axis =
      normalize_axis(context, item(context, "scan_input_axes", i, sizes.scanned), input.rank());
  if (i == 0) length = input.dim(axis);
  if (input.dim(axis) != length)
    context.refuse("scan input {} has {} slices, scan input 0 has {}", i, input.dim(axis), length);
  return axis;
}

void scan_reference(KernelContext& context) {
  const ScanSizes sizes = scan_sizes(context);
  int64_t length = 0;
  std::vector<size_t> axes;
  for (size_t i = 0; i < sizes.scanned; ++i) axes.push_back(scan_axis(context, sizes, i, length));
  std::vector<Tensor> state;
  for (size_t i = 0; i < sizes.states; ++i) state.push_back(context.input(i));
  std::vector<Stack> stacks(context.output_count() - sizes.states);
  for (int64_t round = 0; round < length; ++round) {
    if (context.env().should_stop()) return;
    std::vector<Tensor> inputs = state, outputs;
    for (size_t i = 0; i < sizes.scanned; ++i) {
      const bool reversed = item(context, "scan_input_directions", i, sizes.scanned) != 0;
      inputs.push_back(
          slice_of(context, context.input(sizes.states + i), axes[i], reversed ? length - 1 - round : round));
    }
    append_captures(context, sizes.states + sizes.scanned, inputs);
    if (!context.run_body(kBody, inputs, outputs)) return;
    std::move(outputs.begin(), outputs.begin() + static_cast<std::ptrdiff_t>(sizes.states), state.begin());
    for (size_t k = 0; k < stacks.size(); ++k) stacks[k].add(std::move(outputs[sizes.states + k]));
  }
  set_states(context, 0, state);
  const Graph& body = *context.node().graph_attribute(kBody);
  for (size_t k = 0; k < stacks.size(); ++k) {
    if (!context.wants_output(sizes.states + k)) continue;
    const ValueType& declared = body.value(body.outputs[sizes.states + k]).type;
    const bool reversed = item(context, "scan_output_directions", k, stacks.size()) != 0;
    context.set_output(
        sizes.states + k,
        stacks[k].join(context, item(context, "scan_output_axes", k, stacks.size()), reversed, declared));
  }
}

}  // namespace

// body(states…, slices…, captures…) -> (states…, slices…) for each slice of the last num_scan_inputs inputs,
// forwards or (direction 1) backwards; the slices that come out are stacked along a new dim.
extern constinit const OpSchema kScan = {
    .domain = "",
    .op = "Scan",
    .since_version = 25,
    .inputs = {{"initial_state_and_scan_inputs", "", kEveryType, false, true, kAnyKind}},
    .outputs = {{"final_state_and_scan_outputs", "", kEveryType, false, true, kAnyKind}},
    .attributes = {{"body", AttributeKind::kGraph, true},
                   {"num_scan_inputs", AttributeKind::kInt, true},
                   {"scan_input_axes", AttributeKind::kInts},
                   {"scan_input_directions", AttributeKind::kInts},
                   {"scan_output_axes", AttributeKind::kInts},
                   {"scan_output_directions", AttributeKind::kInts},
                   {"captures", AttributeKind::kInt}},
    .infer = infer_scan,
    .reference = scan_reference,
    .bodies = scan_bodies,
};

}  // namespace oag
