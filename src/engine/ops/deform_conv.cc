// DeformConv: a convolution whose taps are moved by offsets of their own.
#include <cmath>
#include <vector>

#include "engine/ops/column_product.h"
#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/sliding_window.h"
#include "engine/ops/widened.h"

namespace oag {
namespace {

constexpr size_t kOffset = 2, kBias = 3, kMask = 4;
constexpr size_t kMostDims = 8;  // spatial ones: the corners that a place lies between are 2 to their power

void infer_deform_conv(InferenceContext& context) {
  context.set_output(0, context.dtype(0), std::nullopt);
  if (!context.has_shape(0) || !context.has_shape(1) || !context.has_shape(kOffset)) return;
  const Shape& offset = context.shape(kOffset);
  if (offset.size() != context.shape(0).size() || offset.size() < 3 || context.shape(1).empty())
    context.refuse("offset {} must have as many dims as X {}, 3 at least", to_string(offset),
                   to_string(context.shape(0)));
  Shape out = offset;
  out[0] = context.shape(0)[0];
  out[1] = context.shape(1)[0];
  context.set_output(0, context.dtype(0), std::move(out));
}

struct Deformation {
  explicit Deformation(const KernelContext& context)
      : x(context.input(0)),
        w(context.input(1)),
        groups(context.node().int_attribute("group", 1)),
        offset_groups(context.node().int_attribute("offset_group", 1)) {
    const bool fits = x.rank() >= 3 && x.rank() <= kMostDims + 2 && w.rank() == x.rank() && groups >= 1 &&
                      offset_groups >= 1 && x.dim(1) % groups == 0 && w.dim(0) % groups == 0 &&
                      w.dim(1) == x.dim(1) / groups && x.dim(1) % offset_groups == 0;
    if (!fits)
      context.refuse("X {} and W {} must be [N, C, spatial …] and [M, C / {}, kernel …], C a multiple of {}",
                     to_string(x.dims()), to_string(w.dims()), groups, offset_groups);
    const std::vector<int64_t> kernel(w.dims().begin() + 2, w.dims().end());
    const Windows windows(context.node(), kernel);
    axes = windows.settled(x.dims());
    spatial = windows.spatial_counts(x.dims());
    taps = element_count(kernel);
    positions = element_count(spatial);
    check_dims(context, kOffset, offset_groups * taps * static_cast<int64_t>(axes.size()));
    if (context.has_input(kMask)) check_dims(context, kMask, offset_groups * taps);
    if (context.has_input(kBias) && context.input(kBias).dims() != Dims{w.dim(0)})
      context.refuse("B {} must be [{}]", to_string(context.input(kBias).dims()), w.dim(0));
  }

  void check_dims(const KernelContext& context, size_t input, int64_t channels) const {
    Dims wanted = {x.dim(0), channels};
    wanted.insert(wanted.end(), spatial.begin(), spatial.end());
    if (context.input(input).dims() != wanted)
      context.refuse("input {} is {}; it must be {}", input, to_string(context.input(input).dims()),
                     to_string(wanted));
  }

  // x at a place between elements, linear along each dim; 0 outside.
  double sample(const double* plane, std::span<const double> place) const {
    double sum = 0;
    const size_t rank = place.size();
    for (size_t corner = 0; corner < size_t{1} << rank; ++corner) {
      double weight = 1;
      int64_t at = 0;
      for (size_t d = 0; d < rank && weight != 0; ++d) {
        const auto length = static_cast<double>(x.dim(d + 2));
        const double low = std::floor(place[d]);
        const double index = (corner >> d & 1) != 0 ? low + 1 : low;
        weight *= (corner >> d & 1) != 0 ? place[d] - low : 1 - (place[d] - low);
        if (!(index >= 0 && index < length)) weight = 0;
        at = weight == 0 ? 0 : at * x.dim(d + 2) + static_cast<int64_t>(index);
      }
      if (weight != 0) sum += weight * plane[at];
    }
    return sum;
  }

  const Tensor& x;
  const Tensor& w;
  int64_t groups, offset_groups;
  std::vector<WindowAxis> axes;
  Dims spatial;
  int64_t taps = 1, positions = 1;
};

class DeformedColumns {
 public:
  DeformedColumns(const Deformation& shape, std::span<const double> values, std::span<const double> offsets,
                  std::span<const double> mask)
      : shape_(shape), values_(values), offsets_(offsets), mask_(mask) {
    for (size_t d = 2; d < shape.x.rank(); ++d) plane_ *= shape.x.dim(d);
  }

  void fill(const ColumnProduct::Piece& piece, std::span<double> out) const {
    const size_t rank = shape_.axes.size();
    const int64_t channels = shape_.x.dim(1), group_channels = channels / shape_.groups;
    std::vector<double> place(rank);
    for (int64_t k = 0; k < piece.terms; ++k) {
      const int64_t c = piece.group * group_channels + (piece.k + k) / shape_.taps,
                    tap = (piece.k + k) % shape_.taps;
      const int64_t moved =
          (piece.image * shape_.offset_groups + c / (channels / shape_.offset_groups)) * shape_.taps + tap;
      for (int64_t j = 0; j < piece.count; ++j) {
        int64_t position = piece.first + j, tap_rest = tap;
        for (size_t d = rank; d-- > 0; position /= shape_.spatial[d], tap_rest /= shape_.axes[d].kernel) {
          const WindowAxis& axis = shape_.axes[d];
          const int64_t still = position % shape_.spatial[d] * axis.stride - axis.before +
                                tap_rest % axis.kernel * axis.dilation;
          const int64_t offset =
              (moved * static_cast<int64_t>(rank) + static_cast<int64_t>(d)) * shape_.positions;
          place[d] = static_cast<double>(still) + offsets_[static_cast<size_t>(offset + piece.first + j)];
        }
        double value = shape_.sample(values_.data() + (piece.image * channels + c) * plane_, place);
        if (!mask_.empty()) value *= mask_[static_cast<size_t>(moved * shape_.positions + piece.first + j)];
        out[static_cast<size_t>(k * piece.count + j)] = value;
      }
    }
  }

 private:
  const Deformation& shape_;
  std::span<const double> values_, offsets_, mask_;
  int64_t plane_ = 1;
};

void deform_conv_reference(KernelContext& context) {
  const Deformation shape(context);
  KernelEnv& env = context.env();
  Dims dims = {shape.x.dim(0), shape.w.dim(0)};
  dims.insert(dims.end(), shape.spatial.begin(), shape.spatial.end());
  const Tensor& y = context.allocate_output(0, shape.x.dtype(), dims);
  if (y.count() == 0) return;
  std::vector<double> bias(static_cast<size_t>(dims[1]), 0.0);
  if (context.has_input(kBias)) load_elements<double>(context.input(kBias), 0, 1, bias);
  const auto values = widened(env, shape.x), weights = widened(env, shape.w),
             offsets = widened(env, context.input(kOffset));
  const auto mask = context.has_input(kMask) ? widened(env, context.input(kMask)) : std::span<double>();
  if (env.should_stop()) return;
  const DeformedColumns columns(shape, values, offsets, mask);
  const ColumnProduct product = {dims[0], shape.groups, dims[1] / shape.groups, shape.w.dim(1) * shape.taps,
                                 shape.positions};
  product.run(
      env, weights,
      [&](const ColumnProduct::Piece& piece, std::span<double> out) { columns.fill(piece, out); },
      [&](int64_t n, int64_t m, int64_t first, std::span<double> sums) {
        for (double& sum : sums) sum += bias[static_cast<size_t>(m)];
        store_elements<double>(y, (n * dims[1] + m) * product.positions + first, 1, sums);
      });
}

}  // namespace

// Conv whose tap t lies offset[n, (g · taps + t) · rank + d, p] further along dim d at output position p,
// between elements if need be, and counts mask[n, g · taps + t, p] times; g is the channel's group of
// offsets.
extern constinit const OpSchema kDeformConv = {
    .domain = "",
    .op = "DeformConv",
    .since_version = 22,
    .inputs = {{"X", "T", kFloatTypes},
               {"W", "T", kFloatTypes},
               {"offset", "T", kFloatTypes},
               {"B", "T", kFloatTypes, true},
               {"mask", "T", kFloatTypes, true}},
    .outputs = {{"Y", "T", kFloatTypes}},
    .attributes = {{"dilations", AttributeKind::kInts},
                   {"group", AttributeKind::kInt},
                   {"kernel_shape", AttributeKind::kInts},
                   {"offset_group", AttributeKind::kInt},
                   {"pads", AttributeKind::kInts},
                   {"strides", AttributeKind::kInts}},
    .infer = infer_deform_conv,
    .reference = deform_conv_reference,
};

}  // namespace oag
