// Resize: arrays made longer or shorter along their dims by interpolation.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/resize_plan.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"
#include "engine/ops/widened.h"

namespace oag {
namespace {

// floor(length · scale) of a dim that is not known yet.
Dim scaled(const InferenceContext& context, const Dim& length, double scale, size_t d) {
  if (scale == std::floor(scale) && scale >= 1 && scale < 1e9)
    return length * Dim(static_cast<int64_t>(scale));
  return context.fresh_dim("d" + std::to_string(d));
}

std::optional<ResizeRequest> known_request(const InferenceContext& context) {
  ResizeRequest request;
  if (const Tensor* scales = context.constant(kResizeScales); scales != nullptr && scales->count() > 0) {
    request.scales.resize(static_cast<size_t>(scales->count()));
    load_elements<double>(*scales, 0, 1, request.scales);
    return request;
  }
  if (const auto sizes = context.constant_ints(kResizeSizes)) {
    request.sizes = *sizes;
    return request;
  }
  return std::nullopt;
}

void infer_resize(InferenceContext& context) {
  check_resize_attributes(context.node());
  context.set_output(0, context.dtype(0), std::nullopt);
  if (!context.has_shape(0)) return;
  const Shape& x = context.shape(0);
  const auto request = known_request(context);
  if (!request) {
    Shape out = x;
    for (const size_t axis : resized_axes(context, x.size()))
      out[axis] = context.fresh_dim("d" + std::to_string(axis));
    return context.set_output(0, context.dtype(0), std::move(out));
  }
  if (const auto dims = evaluate(x, {})) {
    const ResizeExtent extent = resized_extent(context, *request, *dims);
    return context.set_output(0, context.dtype(0), to_shape(extent.dims));
  }
  const std::vector<size_t> axes = resized_axes(context, x.size());
  const bool stretch = read_aspect_policy(context) == AspectPolicy::kStretch;
  check_entries(context, "scales or sizes", std::max(request->scales.size(), request->sizes.size()),
                axes.size());
  Shape out = x;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (!request->scales.empty()) {
      out[axes[i]] = scaled(context, x[axes[i]], request->scales[i], axes[i]);
    } else {
      out[axes[i]] = stretch ? Dim(request->sizes[i]) : context.fresh_dim("d" + std::to_string(axes[i]));
    }
  }
  context.set_output(0, context.dtype(0), std::move(out));
}

// --- reference

// Each element of the output is one of the input, whatever its type, or the extrapolation value.
void copy_nearest(const KernelContext& context, const Tensor& y, const std::vector<ResizedDim>& dims) {
  const Tensor& x = context.input(0);
  const size_t rank = x.rank();
  const double extrapolation = context.node().float_attribute("extrapolation_value", 0.0f);
  const Tensor nothing = zero_element(x.dtype());  // what extrapolated strings are
  const Strides strides = dense_strides(x.dims());
  for_pieces(context.env(), y.count(), 4096, 4 * static_cast<int64_t>(rank),
             [&](int64_t first, int64_t count) {
               for (int64_t i = first; i < first + count; ++i) {
                 int64_t rest = i, place = 0;
                 for (size_t d = rank; d-- > 0 && place >= 0; rest /= y.dim(d)) {
                   const auto at = static_cast<size_t>(rest % y.dim(d));
                   place = dims[d].outside[at] ? -1 : place + dims[d].places[at] * strides[d];
                 }
                 if (place < 0) {
                   store_elements<double>(y, i, 1, {&extrapolation, 1});
                 } else {
                   copy_run(y, i, 1, x, place, 1, 1);
                 }
               }
             });
}

// One dim of values [outer, length, inner] interpolated: [outer, new length, inner].
std::span<double> interpolate(KernelEnv& env, std::span<const double> values, const ResizedDim& dim,
                              int64_t outer, int64_t length, int64_t inner, double extrapolation) {
  const auto longer = static_cast<int64_t>(dim.outside.size());
  const std::span<double> result = workspace_of(env, outer * longer * inner);
  const bool done = env.parallel_for(outer * longer, inner * dim.taps, [&](int64_t row, int) {
    const auto at = static_cast<size_t>(row % longer);
    double* to = result.data() + row * inner;
    std::fill_n(to, inner, dim.outside[at] ? extrapolation : 0.0);
    if (dim.outside[at]) return;
    for (int64_t tap = 0; tap < dim.taps; ++tap) {
      const size_t k = at * static_cast<size_t>(dim.taps) + static_cast<size_t>(tap);
      const double weight = dim.weights[k];
      if (weight == 0) continue;
      const double* from = values.data() + (row / longer * length + dim.places[k]) * inner;
      for (int64_t i = 0; i < inner; ++i) to[i] += weight * from[i];
    }
  });
  return done ? result : std::span<double>();
}

void interpolate_all(const KernelContext& context, const Tensor& y, const std::vector<ResizedDim>& dims) {
  KernelEnv& env = context.env();
  const double extrapolation = context.node().float_attribute("extrapolation_value", 0.0f);
  Dims now = context.input(0).dims();
  std::span<const double> values = widened(env, context.input(0));
  for (size_t d = 0; d < now.size(); ++d) {
    if (dims[d].same || env.should_stop()) continue;
    int64_t outer = 1, inner = 1;
    for (size_t i = 0; i < now.size(); ++i) (i < d ? outer : inner) *= i == d ? 1 : now[i];
    values = interpolate(env, values, dims[d], outer, now[d], inner, extrapolation);
    now[d] = y.dim(d);
  }
  if (env.should_stop()) return;
  for_pieces(env, y.count(), 4096, 1, [&](int64_t first, int64_t count) {
    const auto piece = values.subspan(static_cast<size_t>(first), static_cast<size_t>(count));
    if (is_float(y.dtype())) return store_elements<double>(y, first, 1, piece);
    std::vector<double> whole(piece.begin(), piece.end());
    for (double& value : whole) value = std::nearbyint(value);
    store_elements<double>(y, first, 1, whole);
  });
}

void resize_reference(KernelContext& context) {
  const ResizePlan plan = plan_resize(context);
  const Tensor& y = context.allocate_output(0, context.input(0).dtype(), plan.dims);
  if (y.count() == 0) return;
  if (ResizeRule(context.node()).nearest()) {
    copy_nearest(context, y, plan.along);
  } else {
    interpolate_all(context, y, plan.along);
  }
}

}  // namespace

// X at other lengths: floor(length · scales) or sizes, for the dims that `axes` names (default: all). mode
// nearest takes one element for each, linear 2 along each dim and cubic 4, or as many as antialias needs;
// coordinate_transformation_mode says where an element of the output lies in X, roi [starts, ends] which part
// of X it is for tf_crop_and_resize.
extern constinit const OpSchema kResize = {
    .domain = "",
    .op = "Resize",
    .since_version = 19,
    .inputs = {{"X", "T1", kMovableTypes},
               {"roi", "T2", {DType::kF16, DType::kF32, DType::kF64}, true},
               {"scales", "", {DType::kF32}, true},
               {"sizes", "", {DType::kI64}, true}},
    .outputs = {{"Y", "T1", kMovableTypes}},
    .attributes = {{"antialias", AttributeKind::kInt},
                   {"axes", AttributeKind::kInts},
                   {"coordinate_transformation_mode", AttributeKind::kString},
                   {"cubic_coeff_a", AttributeKind::kFloat},
                   {"exclude_outside", AttributeKind::kInt},
                   {"extrapolation_value", AttributeKind::kFloat},
                   {"keep_aspect_ratio_policy", AttributeKind::kString},
                   {"mode", AttributeKind::kString},
                   {"nearest_mode", AttributeKind::kString}},
    .infer = infer_resize,
    .reference = resize_reference,
};

}  // namespace oag
