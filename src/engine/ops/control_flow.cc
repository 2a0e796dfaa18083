#include "engine/ops/control_flow.h"

#include <algorithm>
#include <utility>

#include "engine/ops/strided.h"
#include "engine/tensor/container.h"

namespace oag {
namespace {

// Shapes that have not settled by then are not known.
constexpr int kRounds = 3;

// The type of slices when there is none to look at: dims that are not constant are 0.
Dims empty_dims(const ValueType& type) {
  Dims dims;
  if (!type.shape) return dims;
  for (const Dim& dim : *type.shape) dims.push_back(dim.is_constant() ? dim.constant() : 0);
  return dims;
}

// The type of a state that begins as `state` and that a round makes `next`. An optional one takes elements as
// they are.
std::optional<ValueType> join_states(const ValueType& state, const ValueType& next, const std::string& hint) {
  if (!gives_element(state, next) || state.element == nullptr) return join_types(state, next, hint);
  auto element = join_types(*state.element, next, hint);
  if (!element) return std::nullopt;
  return ValueType::optional(std::move(*element));
}

}  // namespace

bool gives_element(const ValueType& state, const ValueType& next) {
  return state.kind == TypeKind::kOptional && next.kind != TypeKind::kOptional;
}

void append_captures(const InferenceContext& context, size_t own, std::vector<BodyInput>& inputs) {
  for (size_t i = own; i < context.input_count(); ++i) inputs.push_back(context.body_input(i));
}

void append_captures(const KernelContext& context, size_t own, std::vector<Tensor>& inputs) {
  for (size_t i = own; i < context.input_count(); ++i) inputs.push_back(context.input(i));
}

std::vector<ValueType> settle_states(const InferenceContext& context, Body& body, size_t first, size_t count,
                                     size_t first_output) {
  for (int round = 0;; ++round) {
    std::vector<ValueType> outputs = context.infer_body(body);
    if (outputs.size() < first_output + count) {
      context.refuse("its {} has {} outputs, at least {} are needed", body.attribute, outputs.size(),
                     first_output + count);
    }
    bool settled = true;
    for (size_t i = 0; i < count; ++i) {
      ValueType& state = body.inputs[first + i].type;
      const ValueType& next = outputs[first_output + i];
      if (state.includes(next)) continue;
      auto joined = join_states(state, next, context.fresh_dim("state" + std::to_string(i)).to_string());
      if (!joined)
        context.refuse("state {} is {}, but its {} makes it {}", i, to_string(state), body.attribute,
                       to_string(next));
      if (state.includes(*joined)) continue;  // dims that differ from round to round have their own symbols
      if (round >= kRounds) joined->shape.reset();
      state = std::move(*joined);
      settled = false;
    }
    if (settled) return outputs;
  }
}

void set_states(const KernelContext& context, size_t first, std::span<const Tensor> state) {
  for (size_t i = 0; i < state.size(); ++i) {
    if (!context.wants_output(i)) continue;
    const bool unchanged = state[i].buffer() == context.input(first + i).buffer();
    context.set_output(i, unchanged ? deep_copy(state[i]) : state[i]);
  }
}

Tensor Stack::join(const KernelContext& context, int64_t axis, bool reversed, const ValueType& empty) const {
  Dims dims = slices_.empty() ? empty_dims(empty) : slices_[0].dims();
  const DType dtype = slices_.empty() ? empty.dtype : slices_[0].dtype();
  const size_t at = normalize_axis(context, axis, dims.size() + 1);
  dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(at), static_cast<int64_t>(slices_.size()));
  Tensor stack = Tensor::host(dtype, dims);
  Strides strides = dense_strides(dims);
  const int64_t step = strides[at];
  strides.erase(strides.begin() + static_cast<std::ptrdiff_t>(at));
  for (size_t i = 0; i < slices_.size(); ++i) {
    if (slices_[i].dims() != slices_[0].dims() || slices_[i].dtype() != dtype) {
      context.refuse("a scan output is {} in round 0 and {} in round {}; all rounds need one shape",
                     to_string(slices_[0].dims()), to_string(slices_[i].dims()), i);
    }
    const size_t place = reversed ? slices_.size() - 1 - i : i;
    place_strided(context.env(), stack, static_cast<int64_t>(place) * step, strides, slices_[i]);
  }
  return stack;
}

Tensor slice_of(const KernelContext& context, const Tensor& tensor, size_t axis, int64_t i) {
  Dims dims = tensor.dims();
  Strides strides = dense_strides(dims);
  const int64_t step = strides[axis];
  dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axis));
  strides.erase(strides.begin() + static_cast<std::ptrdiff_t>(axis));
  Tensor slice = Tensor::host(tensor.dtype(), std::move(dims));
  copy_strided(context.env(), slice, tensor, i * step, strides);
  return slice;
}

}  // namespace oag
