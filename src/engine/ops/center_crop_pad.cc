// CenterCropPad: the middle of an array, or an array in the middle of zeros.
#include <algorithm>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/strided.h"

namespace oag {
namespace {

template <typename Context>
std::vector<size_t> named_axes(const Context& context, size_t rank, size_t count) {
  std::vector<size_t> axes;
  if (context.node().has_attribute("axes")) {
    for (const int64_t axis : context.node().ints_attribute("axes"))
      axes.push_back(static_cast<size_t>(normalize_axis(context, axis, rank)));
  } else {
    for (size_t d = 0; d < rank; ++d) axes.push_back(d);
  }
  if (axes.size() != count) context.refuse("shape has {} entries for {} axes", count, axes.size());
  return axes;
}

void infer_center_crop_pad(InferenceContext& context) {
  context.set_output(0, context.dtype(0), std::nullopt);
  if (!context.has_shape(0)) return;
  Shape out = context.shape(0);
  const auto lengths = context.constant_ints(1);
  if (lengths) {
    const auto axes = named_axes(context, out.size(), lengths->size());
    for (size_t i = 0; i < axes.size(); ++i) out[axes[i]] = (*lengths)[i];
  } else if (context.node().has_attribute("axes")) {
    const size_t count = context.node().ints_attribute("axes").size();
    for (const size_t axis : named_axes(context, out.size(), count))
      out[axis] = context.fresh_dim("d" + std::to_string(axis));
  } else {
    out = context.fresh_shape(static_cast<int64_t>(out.size()));
  }
  context.set_output(0, context.dtype(0), std::move(out));
}

void center_crop_pad_reference(KernelContext& context) {
  const Tensor& x = context.input(0);
  const auto lengths = read_integers(context.input(1));
  const auto axes = named_axes(context, x.rank(), lengths.size());
  Dims dims = x.dims(), kept = x.dims();
  const Strides strides = dense_strides(x.dims());
  int64_t from = 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    const size_t axis = axes[i];
    if (lengths[i] < 0) context.refuse("shape {} has a length below 0", to_string(lengths));
    dims[axis] = lengths[i];
    kept[axis] = std::min(x.dim(axis), lengths[i]);
    from += (x.dim(axis) - kept[axis]) / 2 * strides[axis];
  }
  const Tensor& y = context.allocate_output(0, x.dtype(), dims);
  if (kept == dims) return copy_strided(context.env(), y, x, from, strides);
  copy_strided(context.env(), y, zero_element(x.dtype()), 0, Strides(dims.size(), 0));
  const Tensor middle = Tensor::host(x.dtype(), kept);
  copy_strided(context.env(), middle, x, from, strides);
  const Strides out_strides = dense_strides(dims);
  int64_t to = 0;
  for (size_t d = 0; d < dims.size(); ++d) to += (dims[d] - kept[d]) / 2 * out_strides[d];
  place_strided(context.env(), y, to, out_strides, middle);
}

}  // namespace

// input_data made as long as `shape` [n] says along the n axes (default: all), cropped or padded with zeros
// on both sides alike; what is odd is at the end.
extern constinit const OpSchema kCenterCropPad = {
    .domain = "",
    .op = "CenterCropPad",
    .since_version = 18,
    .inputs = {{"input_data", "T", kMovableTypes}, {"shape", "Tind", {DType::kI32, DType::kI64}}},
    .outputs = {{"output_data", "T", kMovableTypes}},
    .attributes = {{"axes", AttributeKind::kInts}},
    .infer = infer_center_crop_pad,
    .reference = center_crop_pad_reference,
};

}  // namespace oag
