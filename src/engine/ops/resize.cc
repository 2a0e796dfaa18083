// Resize: arrays made longer or shorter along their dims by interpolation.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/resize_weights.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"
#include "engine/ops/widened.h"

namespace oag {
namespace {

constexpr size_t kRoi = 1, kScales = 2, kSizes = 3;

template <typename Context>
std::vector<size_t> resized_axes(const Context& context, size_t rank) {
  std::vector<size_t> axes;
  if (!context.node().has_attribute("axes")) {
    for (size_t d = 0; d < rank; ++d) axes.push_back(d);
    return axes;
  }
  for (const int64_t axis : context.node().ints_attribute("axes"))
    axes.push_back(static_cast<size_t>(normalize_axis(context, axis, rank)));
  return axes;
}

template <typename Context>
void check_count(const Context& context, const char* what, size_t count, size_t wanted) {
  if (count != wanted) context.refuse("{} has {} entries; it must have {}", what, count, wanted);
}

// scales or sizes as they are given; one of the two.
struct Request {
  std::vector<double> scales;
  std::vector<int64_t> sizes;
};

enum class Policy { kStretch, kNotLarger, kNotSmaller };

template <typename Context>
Policy read_policy(const Context& context) {
  const std::string policy = context.node().string_attribute("keep_aspect_ratio_policy", "stretch");
  if (policy == "stretch") return Policy::kStretch;
  if (policy == "not_larger") return Policy::kNotLarger;
  if (policy == "not_smaller") return Policy::kNotSmaller;
  context.refuse("keep_aspect_ratio_policy is \"{}\"; it must be stretch, not_larger or not_smaller", policy);
}

// The factor and the output length of each dim.
struct Extent {
  std::vector<double> scales;
  Dims dims;
};

constexpr double kMostElements = 9e18;  // along one dim: what an int64 holds

template <typename Context>
Extent resized_extent(const Context& context, const Request& request, const Dims& in) {
  const std::vector<size_t> axes = resized_axes(context, in.size());
  Extent extent = {std::vector<double>(in.size(), 1.0), in};
  if (!request.scales.empty()) {
    check_count(context, "scales", request.scales.size(), axes.size());
    for (size_t i = 0; i < axes.size(); ++i) {
      const double length = std::floor(static_cast<double>(in[axes[i]]) * request.scales[i]);
      if (!(request.scales[i] > 0) || !(length <= kMostElements))
        context.refuse("scale {} must be above 0, and the output must fit memory", request.scales[i]);
      extent.scales[axes[i]] = request.scales[i];
      extent.dims[axes[i]] = static_cast<int64_t>(length);
    }
    return extent;
  }
  check_count(context, "sizes", request.sizes.size(), axes.size());
  const Policy policy = read_policy(context);
  double common = policy == Policy::kNotLarger ? std::numeric_limits<double>::infinity() : 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (request.sizes[i] < 0) context.refuse("size {} is below 0", request.sizes[i]);
    const double scale = static_cast<double>(request.sizes[i]) / static_cast<double>(in[axes[i]]);
    extent.scales[axes[i]] = scale;
    extent.dims[axes[i]] = request.sizes[i];
    common = policy == Policy::kNotLarger ? std::min(common, scale) : std::max(common, scale);
  }
  if (policy == Policy::kStretch) return extent;
  for (const size_t axis : axes) {
    const double length = std::floor(common * static_cast<double>(in[axis]) + 0.5);
    if (!(length <= kMostElements)) context.refuse("sizes {} do not fit memory", to_string(request.sizes));
    extent.scales[axis] = common;
    extent.dims[axis] = static_cast<int64_t>(length);
  }
  return extent;
}

// --- shape rule

// floor(length · scale) of a dim that is not known yet.
Dim scaled(const InferenceContext& context, const Dim& length, double scale, size_t d) {
  if (scale == std::floor(scale) && scale >= 1 && scale < 1e9)
    return length * Dim(static_cast<int64_t>(scale));
  return context.fresh_dim("d" + std::to_string(d));
}

std::optional<Request> known_request(const InferenceContext& context) {
  Request request;
  if (const Tensor* scales = context.constant(kScales); scales != nullptr && scales->count() > 0) {
    request.scales.resize(static_cast<size_t>(scales->count()));
    load_elements<double>(*scales, 0, 1, request.scales);
    return request;
  }
  if (const auto sizes = context.constant_ints(kSizes)) {
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
    const Extent extent = resized_extent(context, *request, *dims);
    return context.set_output(0, context.dtype(0), to_shape(extent.dims));
  }
  const std::vector<size_t> axes = resized_axes(context, x.size());
  const bool stretch = read_policy(context) == Policy::kStretch;
  check_count(context, "scales or sizes", std::max(request->scales.size(), request->sizes.size()),
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

// [start, end] of each dim, [0, 1] for those that roi does not name.
std::vector<std::pair<double, double>> read_roi(const KernelContext& context, size_t rank) {
  std::vector<std::pair<double, double>> result(rank, {0.0, 1.0});
  if (context.node().string_attribute("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize")
    return result;
  const std::vector<size_t> axes = resized_axes(context, rank);
  if (!context.has_input(kRoi)) context.refuse("tf_crop_and_resize needs roi");
  std::vector<double> roi(static_cast<size_t>(context.input(kRoi).count()));
  check_count(context, "roi", roi.size(), 2 * axes.size());
  load_elements<double>(context.input(kRoi), 0, 1, roi);
  for (const double value : roi) {
    if (!std::isfinite(value)) context.refuse("roi has {}", value);
  }
  for (size_t i = 0; i < axes.size(); ++i) result[axes[i]] = {roi[i], roi[axes.size() + i]};
  return result;
}

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
  const Tensor& x = context.input(0);
  Request request;
  if (context.has_input(kScales)) {
    request.scales.resize(static_cast<size_t>(context.input(kScales).count()));
    load_elements<double>(context.input(kScales), 0, 1, request.scales);
  }
  if (context.has_input(kSizes)) request.sizes = read_integers(context.input(kSizes));
  if (!request.scales.empty() && !request.sizes.empty()) context.refuse("scales and sizes are both given");
  if (request.scales.empty() && request.sizes.empty() && x.rank() > 0)
    context.refuse("neither scales nor sizes is given");
  const Extent extent = resized_extent(context, request, x.dims());
  const Tensor& y = context.allocate_output(0, x.dtype(), extent.dims);
  if (y.count() == 0) return;
  if (x.count() == 0)
    context.refuse("x {} has no elements to fill {} from", to_string(x.dims()), to_string(y.dims()));
  const auto roi = read_roi(context, x.rank());
  const ResizeRule rule(context.node());
  std::vector<ResizedDim> dims;
  for (size_t d = 0; d < x.rank(); ++d)
    dims.push_back(rule.resize(x.dim(d), y.dim(d), extent.scales[d], roi[d].first, roi[d].second));
  if (rule.nearest()) {
    copy_nearest(context, y, dims);
  } else {
    interpolate_all(context, y, dims);
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
