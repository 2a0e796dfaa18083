// Slice: a range with a step along each of some axes.
#include <algorithm>
#include <limits>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
constexpr int64_t kMostI32 = std::numeric_limits<int32_t>::max(),
                  kLeastI32 = std::numeric_limits<int32_t>::min();

struct Range {
  int64_t start = 0;
  int64_t step = 1;
  int64_t count = 0;
};

// Bounds count from the end when negative and are clamped to the dim, as ONNX says.
Range resolve(int64_t start, int64_t end, int64_t step, int64_t dim) {
  const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? dim : dim - 1;
  const auto clamp = [&](int64_t bound) { return std::clamp(bound < 0 ? bound + dim : bound, low, high); };
  Range range{clamp(start), step, 0};
  const int64_t last = clamp(end);
  const bool forwards = step > 0 ? range.start < last : range.start > last;
  if (!forwards) return range;
  const auto span = static_cast<uint64_t>(step > 0 ? last - range.start : range.start - last);
  const uint64_t stride = step > 0 ? static_cast<uint64_t>(step) : uint64_t{0} - static_cast<uint64_t>(step);
  range.count = static_cast<int64_t>((span - 1) / stride + 1);
  return range;
}

// The length of a slice of a symbolic dim, or nothing when no expression says it.
std::optional<Dim> symbolic_length(const Dim& dim, int64_t start, int64_t end, int64_t step) {
  if (step < 0) {  // the whole dim backwards is the one form that occurs
    const bool whole = (start == -1 || start >= kMostI32) && end <= kLeastI32;
    if (!whole || step == kLeast) return std::nullopt;
    return ceil_div(dim, -step);
  }
  const auto bound = [&](int64_t value) -> Dim {
    if (value >= kMostI32) return dim;
    if (value <= kLeastI32) return 0;
    return value < 0 ? max(0, dim + Dim(value)) : value == 0 ? Dim(0) : min(value, dim);
  };
  Dim length = bound(end) - bound(start);
  if (end >= kMostI32 && start < 0 && start > kLeastI32) {
    length = min(-start, dim);  // the last -start
  } else if (end >= kMostI32 && start > 0) {
    length = max(0, dim - Dim(start));
  } else if (start != 0) {
    length = max(0, length);
  }
  return step == 1 ? length : ceil_div(length, step);
}

template <typename Context>
void check_lists(const Context& context, size_t starts, size_t ends, size_t axes, size_t steps) {
  if (starts != ends || starts != axes || starts != steps) {
    context.refuse("starts, ends, axes and steps have {}, {}, {} and {} entries", starts, ends, axes, steps);
  }
}

std::vector<int64_t> first_axes(size_t count) {
  std::vector<int64_t> axes(count);
  for (size_t i = 0; i < count; ++i) axes[i] = static_cast<int64_t>(i);
  return axes;
}

void infer_slice(InferenceContext& context) {
  const DType dtype = context.dtype(0);
  if (!context.has_shape(0)) return context.set_output(0, dtype, std::nullopt);
  Shape out = context.shape(0);
  const auto starts = context.constant_ints(1), ends = context.constant_ints(2);
  auto axes = context.constant_ints(3), steps = context.constant_ints(4);
  if (!axes && !context.has_input(3)) {  // the first axes, as many as there are starts
    if (starts) axes = first_axes(starts->size());
    if (!axes && context.has_shape(1) && context.shape(1).size() == 1 && context.shape(1)[0].is_constant()) {
      const int64_t count = context.shape(1)[0].constant();
      if (count >= 0 && count <= static_cast<int64_t>(out.size()))
        axes = first_axes(static_cast<size_t>(count));
    }
  }
  if (!axes) {
    for (size_t d = 0; d < out.size(); ++d) out[d] = context.fresh_dim("d" + std::to_string(d));
    return context.set_output(0, dtype, std::move(out));
  }
  const bool known = starts && ends && (steps || !context.has_input(4));
  if (known && !steps) steps.emplace(starts->size(), 1);
  if (known) check_lists(context, starts->size(), ends->size(), axes->size(), steps->size());
  std::vector<bool> seen(out.size(), false);
  for (size_t i = 0; i < axes->size(); ++i) {
    const auto axis = static_cast<size_t>(normalize_axis(context, (*axes)[i], out.size()));
    if (seen[axis]) context.refuse("axes {} name a dim twice", to_string(*axes));
    seen[axis] = true;
    std::optional<Dim> length;
    if (known) {
      const int64_t start = (*starts)[i], end = (*ends)[i], step = (*steps)[i];
      if (step == 0) context.refuse("steps {} has a 0", to_string(*steps));
      const Dim& dim = out[axis];
      length = dim.is_constant() ? Dim(resolve(start, end, step, dim.constant()).count)
                                 : symbolic_length(dim, start, end, step);
    }
    out[axis] = length ? *length : context.fresh_dim("d" + std::to_string(axis));
  }
  context.set_output(0, dtype, std::move(out));
}

void slice_reference(KernelContext& context) {
  const Tensor& in = context.input(0);
  const auto starts = read_integers(context.input(1)), ends = read_integers(context.input(2));
  const auto axes = context.has_input(3) ? read_integers(context.input(3)) : first_axes(starts.size());
  const auto steps =
      context.has_input(4) ? read_integers(context.input(4)) : std::vector<int64_t>(starts.size(), 1);
  check_lists(context, starts.size(), ends.size(), axes.size(), steps.size());
  const Strides dense = dense_strides(in.dims());
  Dims dims = in.dims();
  Strides strides = dense;
  std::vector<bool> seen(in.rank(), false);
  int64_t start = 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t axis = normalize_axis(context, axes[i], in.rank());
    if (seen[axis]) context.refuse("axes {} name a dim twice", to_string(axes));
    if (steps[i] == 0) context.refuse("steps {} has a 0", to_string(steps));
    seen[axis] = true;
    const Range range = resolve(starts[i], ends[i], steps[i], in.dim(axis));
    dims[axis] = range.count;
    // One element has no neighbours: a step of any size is none.
    strides[axis] = range.count > 1 ? dense[axis] * range.step : 0;
    if (range.count > 0) start += range.start * dense[axis];
  }
  copy_strided(context.env(), context.allocate_output(0, in.dtype(), dims), in, start, strides);
}

constexpr DTypeSet kIndexTypes = {DType::kI32, DType::kI64};

}  // namespace

// starts, ends, axes (default: the first ones) and steps (default 1): lists of one length, i32 or i64. Bounds
// below 0 count from the end, and all are clamped to the dim.
extern constinit const OpSchema kSlice = {
    .domain = "",
    .op = "Slice",
    .since_version = 13,
    .inputs = {{"data", "T", kMovableTypes},
               {"starts", "Tind", kIndexTypes},
               {"ends", "Tind", kIndexTypes},
               {"axes", "Tind", kIndexTypes, true},
               {"steps", "Tind", kIndexTypes, true}},
    .outputs = {{"output", "T", kMovableTypes}},
    .attributes = {},
    .infer = infer_slice,
    .reference = slice_reference,
};

}  // namespace oag
