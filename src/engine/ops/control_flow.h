#pragma once

#include <span>
#include <vector>

#include "engine/ops/schema.h"

namespace oag {

// What operators with bodies share. A node's last inputs, as many as its attribute `captures` says (none by
// default), are values of the graph around a body that the body reads; they are the body's last inputs too.

inline constexpr DTypeSet kEveryType = kViewableTypes | kBlockTypes | DTypeSet{DType::kString};

// How many inputs of the node are its own. Errors: kInvalidArgument through `context` unless at least
// `least`.
template <typename Context>
size_t own_input_count(const Context& context, size_t least) {
  const int64_t captures = context.node().int_attribute("captures", 0);
  const auto inputs = static_cast<int64_t>(context.node().inputs.size());
  if (captures < 0 || captures > inputs || static_cast<size_t>(inputs - captures) < least)
    context.refuse("has {} inputs and captures {} of them; it needs {} of its own", inputs, captures, least);
  return static_cast<size_t>(inputs - captures);
}

// The captured inputs as every call of a body gets them.
void append_captures(const InferenceContext& context, size_t own, std::vector<BodyInput>& inputs);
void append_captures(const KernelContext& context, size_t own, std::vector<Tensor>& inputs);

// Whether a state is optional and its body makes what it holds: the body then takes the optional of it.
bool gives_element(const ValueType& state, const ValueType& next);

// Makes inputs first … first + count - 1 of `body` types that hold for what goes in and for what its outputs
// from `first_output` on bring back, round after round. Returns the types of its outputs.
std::vector<ValueType> settle_states(const InferenceContext& context, Body& body, size_t first, size_t count,
                                     size_t first_output);

// Gives outputs 0 … to `state`, which began as inputs `first` …: one that no round changed is copied.
void set_states(const KernelContext& context, size_t first, std::span<const Tensor> state);

// Slices of one shape that are stacked along a new axis of `out`; begins with nothing.
class Stack {
 public:
  void add(Tensor slice) { slices_.push_back(std::move(slice)); }
  // The stack, whose new dim is `axis`; `empty` describes a slice where there is none. Errors: through
  // `context` when slices differ or the axis does not exist.
  Tensor join(const KernelContext& context, int64_t axis, bool reversed, const ValueType& empty) const;

 private:
  std::vector<Tensor> slices_;
};

// Slice i of `tensor` along `axis`, without that dim.
Tensor slice_of(const KernelContext& context, const Tensor& tensor, size_t axis, int64_t i);

}  // namespace oag
