#include "engine/ops/conv_transpose_sizes.h"

#include <algorithm>

namespace oag {

TransposedWindows::TransposedWindows(const Node& node, const std::vector<int64_t>& kernel)
    : windows_(node, kernel),
      extra_(node.ints_attribute("output_padding")),
      output_(node.ints_attribute("output_shape")) {
  const size_t rank = kernel.size();
  if (extra_.empty()) extra_.assign(rank, 0);
  if (output_.size() == rank + 2) output_.erase(output_.begin(), output_.begin() + 2);
  if (extra_.size() != rank || (!output_.empty() && output_.size() != rank)) {
    wrong_ = fmt::format("output_padding {} and output_shape {} must have {} entries", to_string(extra_),
                         to_string(output_), rank);
    return;
  }
  constexpr int64_t kMost = int64_t{1} << 40;  // sums with windows stay far from overflow
  for (const auto& list : {extra_, output_}) {
    if (std::any_of(list.begin(), list.end(), [](int64_t v) { return v < 0 || v > kMost; }))
      wrong_ = fmt::format("{} has an entry outside 0 … {}", to_string(list), kMost);
  }
}

Dim TransposedWindows::length(size_t d, const Dim& in) const {
  const WindowAxis& axis = windows_.axes()[d];
  if (!output_.empty()) return output_[d];
  if (is_same()) return in * Dim(axis.stride);
  return whole(d, in) - Dim(axis.before + axis.after);
}

WindowAxis TransposedWindows::settled(size_t d, int64_t in) const {
  WindowAxis axis = windows_.axes()[d];
  if (output_.empty() && !is_same()) return axis;
  const int64_t total = (whole(d, in) - length(d, in)).constant();
  // What an output lacks that is longer than the windows reach lies behind them.
  axis.before = 0, axis.after = total;
  if (total > 0) {
    const bool upper = windows_.auto_pad() == AutoPad::kSameUpper;
    split_padding(upper ? AutoPad::kSameUpper : AutoPad::kSameLower, total, axis);
  }
  return axis;
}

Dim TransposedWindows::whole(size_t d, const Dim& in) const {
  const WindowAxis& axis = windows_.axes()[d];
  return (in - Dim(1)) * Dim(axis.stride) + Dim(axis.extent() + extra_[d]);
}

ConvTransposeSizes::ConvTransposeSizes(const KernelContext& context)
    : groups(context.node().int_attribute("group", 1)) {
  const Tensor& x = context.input(0);
  const Tensor& w = context.input(1);
  if (x.rank() < 2 || w.rank() != x.rank() || groups < 1 || groups > std::max<int64_t>(1, x.dim(1)) ||
      w.dim(0) != x.dim(1) || x.dim(1) % groups != 0)
    context.refuse("X {} and W {} must be [N, C, spatial …] and [C, M / {}, kernel …]", to_string(x.dims()),
                   to_string(w.dims()), groups);
  const std::vector<int64_t> kernel(w.dims().begin() + 2, w.dims().end());
  const TransposedWindows windows(context, kernel);
  out_dims = {x.dim(0), w.dim(1) * groups};
  if (context.has_input(2) && context.input(2).dims() != Dims{out_dims[1]})
    context.refuse("B {} must be [{}]", to_string(context.input(2).dims()), out_dims[1]);
  for (size_t d = 0; d < kernel.size(); ++d) {
    const int64_t length = windows.length(d, x.dim(d + 2)).constant();
    if (length < 0)
      context.refuse("spatial dim {} of X {} is too short for its padding", d, to_string(x.dims()));
    axes.push_back(windows.settled(d, x.dim(d + 2)));
    out_dims.push_back(length);
  }
}

}  // namespace oag
