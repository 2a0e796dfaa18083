#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "engine/ops/kernel.h"
#include "engine/ops/resize_weights.h"
#include "engine/ops/strided.h"

// What a Resize makes of its input, from attributes, scales and sizes; for the shape rule and for kernels.
namespace oag {

inline constexpr size_t kResizeRoi = 1, kResizeScales = 2, kResizeSizes = 3;

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
void check_entries(const Context& context, const char* what, size_t count, size_t wanted) {
  if (count != wanted) context.refuse("{} has {} entries; it must have {}", what, count, wanted);
}

// scales or sizes as they are given; one of the two.
struct ResizeRequest {
  std::vector<double> scales;
  std::vector<int64_t> sizes;
};

enum class AspectPolicy { kStretch, kNotLarger, kNotSmaller };

template <typename Context>
AspectPolicy read_aspect_policy(const Context& context) {
  const std::string policy = context.node().string_attribute("keep_aspect_ratio_policy", "stretch");
  if (policy == "stretch") return AspectPolicy::kStretch;
  if (policy == "not_larger") return AspectPolicy::kNotLarger;
  if (policy == "not_smaller") return AspectPolicy::kNotSmaller;
  context.refuse("keep_aspect_ratio_policy is \"{}\"; it must be stretch, not_larger or not_smaller", policy);
}

// The factor and the output length of each dim.
struct ResizeExtent {
  std::vector<double> scales;
  Dims dims;
};

inline constexpr double kMostResized = 9e18;  // along one dim: what an int64 holds

template <typename Context>
ResizeExtent resized_extent(const Context& context, const ResizeRequest& request, const Dims& in) {
  const std::vector<size_t> axes = resized_axes(context, in.size());
  ResizeExtent extent = {std::vector<double>(in.size(), 1.0), in};
  if (!request.scales.empty()) {
    check_entries(context, "scales", request.scales.size(), axes.size());
    for (size_t i = 0; i < axes.size(); ++i) {
      const double length = std::floor(static_cast<double>(in[axes[i]]) * request.scales[i]);
      if (!(request.scales[i] > 0) || !(length <= kMostResized))
        context.refuse("scale {} must be above 0, and the output must fit memory", request.scales[i]);
      extent.scales[axes[i]] = request.scales[i];
      extent.dims[axes[i]] = static_cast<int64_t>(length);
    }
    return extent;
  }
  check_entries(context, "sizes", request.sizes.size(), axes.size());
  const AspectPolicy policy = read_aspect_policy(context);
  double common = policy == AspectPolicy::kNotLarger ? std::numeric_limits<double>::infinity() : 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (request.sizes[i] < 0) context.refuse("size {} is below 0", request.sizes[i]);
    const double scale = static_cast<double>(request.sizes[i]) / static_cast<double>(in[axes[i]]);
    extent.scales[axes[i]] = scale;
    extent.dims[axes[i]] = request.sizes[i];
    common = policy == AspectPolicy::kNotLarger ? std::min(common, scale) : std::max(common, scale);
  }
  if (policy == AspectPolicy::kStretch) return extent;
  for (const size_t axis : axes) {
    const double length = std::floor(common * static_cast<double>(in[axis]) + 0.5);
    if (!(length <= kMostResized)) context.refuse("sizes {} do not fit memory", to_string(request.sizes));
    extent.scales[axis] = common;
    extent.dims[axis] = static_cast<int64_t>(length);
  }
  return extent;
}

// How each dim of the output comes from that of the input.
struct ResizePlan {
  Dims dims;                      // of the output
  std::vector<ResizedDim> along;  // empty where the output has no elements
};

// Errors: kInvalidArgument through `context`.
ResizePlan plan_resize(const KernelContext& context);

}  // namespace oag
