#include "engine/ops/resize_plan.h"

#include "engine/ops/element.h"

namespace oag {
namespace {

// [start, end] of each dim, [0, 1] for those that roi does not name.
std::vector<std::pair<double, double>> read_roi(const KernelContext& context, size_t rank) {
  std::vector<std::pair<double, double>> result(rank, {0.0, 1.0});
  if (context.node().string_attribute("coordinate_transformation_mode", "half_pixel") != "tf_crop_and_resize")
    return result;
  const std::vector<size_t> axes = resized_axes(context, rank);
  if (!context.has_input(kResizeRoi)) context.refuse("tf_crop_and_resize needs roi");
  std::vector<double> roi(static_cast<size_t>(context.input(kResizeRoi).count()));
  check_entries(context, "roi", roi.size(), 2 * axes.size());
  load_elements<double>(context.input(kResizeRoi), 0, 1, roi);
  for (const double value : roi) {
    if (!std::isfinite(value)) context.refuse("roi has {}", value);
  }
  for (size_t i = 0; i < axes.size(); ++i) result[axes[i]] = {roi[i], roi[axes.size() + i]};
  return result;
}

ResizeRequest read_request(const KernelContext& context) {
  ResizeRequest request;
  if (context.has_input(kResizeScales)) {
    request.scales.resize(static_cast<size_t>(context.input(kResizeScales).count()));
    load_elements<double>(context.input(kResizeScales), 0, 1, request.scales);
  }
  if (context.has_input(kResizeSizes)) request.sizes = read_integers(context.input(kResizeSizes));
  if (!request.scales.empty() && !request.sizes.empty()) context.refuse("scales and sizes are both given");
  if (request.scales.empty() && request.sizes.empty() && context.input(0).rank() > 0)
    context.refuse("neither scales nor sizes is given");
  return request;
}

}  // namespace

ResizePlan plan_resize(const KernelContext& context) {
  const Tensor& x = context.input(0);
  const ResizeExtent extent = resized_extent(context, read_request(context), x.dims());
  ResizePlan plan = {extent.dims, {}};
  if (element_count(plan.dims) == 0) return plan;
  if (x.count() == 0)
    context.refuse("x {} has no elements to fill {} from", to_string(x.dims()), to_string(plan.dims));
  const auto roi = read_roi(context, x.rank());
  const ResizeRule rule(context.node());
  for (size_t d = 0; d < x.rank(); ++d)
    plan.along.push_back(rule.resize(x.dim(d), plan.dims[d], extent.scales[d], roi[d].first, roi[d].second));
  return plan;
}

}  // namespace oag
