// AveragePool, MaxPool and LpPool: one value for each window of a plane.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"
#include "engine/ops/sliding_window.h"
#include "engine/ops/widened.h"

namespace oag {
namespace {

void infer_pool(InferenceContext& context) {
  const Windows windows(context.node(), context.node().ints_attribute("kernel_shape"));
  std::optional<Shape> out;
  if (context.has_shape(0)) {
    const Shape& x = context.shape(0);
    const Shape counts = windows.spatial_counts(x);
    out = {x[0], x[1]};
    out->insert(out->end(), counts.begin(), counts.end());
  }
  context.set_output(0, context.dtype(0), out);
  context.set_output(1, DType::kI64, std::move(out));
}

// One pooling with its dims and windows.
struct Pooling {
  explicit Pooling(const KernelContext& context)
      : x(context.input(0)), windows(context.node(), context.node().ints_attribute("kernel_shape")) {
    out_spatial = windows.spatial_counts(x.dims());
    axes = windows.settled(x.dims());
    in_spatial.assign(x.dims().begin() + 2, x.dims().end());
    out_dims = {x.dim(0), x.dim(1)};
    out_dims.insert(out_dims.end(), out_spatial.begin(), out_spatial.end());
    plane = element_count(in_spatial);
    for (const WindowAxis& axis : axes) {
      if (__builtin_mul_overflow(taps, axis.kernel, &taps))
        context.refuse("its windows have too many elements");
    }
  }

  // Elements of window `index` of a plane: visit(place within the plane) for each that is no padding. Returns
  // how many elements the window has with its padding, but for what is behind that.
  template <typename Visitor>
  int64_t visit(int64_t index, Visitor&& visitor) const {
    const size_t rank = axes.size();
    std::vector<int64_t> starts(rank), firsts(rank), counts(rank);
    int64_t padded = 1, total = 1;
    for (size_t d = rank; d-- > 0; index /= out_spatial[d]) {
      const WindowAxis& axis = axes[d];
      const int64_t start = index % out_spatial[d] * axis.stride - axis.before;
      const auto taps_below = [&](int64_t end) {
        return std::clamp<int64_t>((end - start + axis.dilation - 1) / axis.dilation, 0, axis.kernel);
      };
      firsts[d] = start >= 0 ? 0 : std::min(axis.kernel, (-start + axis.dilation - 1) / axis.dilation);
      counts[d] = std::max<int64_t>(0, taps_below(std::max(in_spatial[d], start)) - firsts[d]);
      starts[d] = start + firsts[d] * axis.dilation;
      padded *= taps_below(in_spatial[d] + axis.after);
      total *= counts[d];
    }
    if (total == 0) return padded;
    std::vector<int64_t> at(rank, 0);
    const size_t last = rank == 0 ? 0 : rank - 1;
    for (int64_t left = total; left > 0;) {
      int64_t place = 0;
      for (size_t d = 0; d < rank; ++d) place = place * in_spatial[d] + starts[d] + at[d] * axes[d].dilation;
      if (rank == 0) {
        visitor(place);
        break;
      }
      for (int64_t i = 0; i < counts[last]; ++i) visitor(place + i * axes[last].dilation);
      left -= counts[last];
      for (size_t d = last; d-- > 0;) {
        if (++at[d] < counts[d]) break;
        at[d] = 0;
      }
    }
    return padded;
  }

  const Tensor& x;
  Windows windows;
  Dims in_spatial, out_spatial, out_dims;
  std::vector<WindowAxis> axes;
  int64_t plane = 1, taps = 1;
};

// Stores reduce(plane of x, window) for each window of each plane.
template <typename Reduce>
void run_pooling(KernelContext& context, const Pooling& pooling, const Tensor& y, const Reduce& reduce) {
  const std::span<const double> values = widened(context.env(), pooling.x);
  if (y.count() == 0 || context.env().should_stop()) return;
  const int64_t windows = element_count(pooling.out_spatial);
  for_pieces(context.env(), y.count(), 256, 4 * pooling.taps, [&](int64_t first, int64_t count) {
    std::vector<double> results(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
      const int64_t plane = (first + i) / windows * pooling.plane;
      results[static_cast<size_t>(i)] = reduce(values.subspan(static_cast<size_t>(plane)), first + i);
    }
    store_elements<double>(y, first, 1, results);
  });
}

void average_reference(KernelContext& context) {
  const Pooling pooling(context);
  const Tensor& y = context.allocate_output(0, pooling.x.dtype(), pooling.out_dims);
  const bool with_padding = context.node().int_attribute("count_include_pad", 0) != 0;
  const int64_t windows = element_count(pooling.out_spatial);
  run_pooling(context, pooling, y, [&](std::span<const double> plane, int64_t i) {
    double sum = 0;
    int64_t seen = 0;
    const int64_t padded = pooling.visit(i % windows, [&](int64_t place) {
      sum += plane[static_cast<size_t>(place)];
      ++seen;
    });
    const int64_t count = with_padding ? padded : seen;
    return count == 0 ? 0.0 : sum / static_cast<double>(count);  // a window in the padding alone has no mean
  });
}

void lp_reference(KernelContext& context) {
  const Pooling pooling(context);
  const Tensor& y = context.allocate_output(0, pooling.x.dtype(), pooling.out_dims);
  const auto p = static_cast<double>(context.node().int_attribute("p", 2));
  const int64_t windows = element_count(pooling.out_spatial);
  run_pooling(context, pooling, y, [&](std::span<const double> plane, int64_t i) {
    double sum = 0;
    pooling.visit(i % windows,
                  [&](int64_t place) { sum += std::pow(std::abs(plane[static_cast<size_t>(place)]), p); });
    return std::pow(sum, 1.0 / p);
  });
}

// The number of an element among all of x when the spatial dims are counted in column-major order.
int64_t column_major(const Dims& spatial, int64_t place) {
  int64_t result = 0, step = element_count(spatial);
  for (size_t d = spatial.size(); d-- > 0; place /= spatial[d]) {
    step /= spatial[d];
    result += place % spatial[d] * step;
  }
  return result;
}

void max_reference(KernelContext& context) {
  const Pooling pooling(context);
  const Tensor& y = context.allocate_output(0, pooling.x.dtype(), pooling.out_dims);
  std::span<int64_t> indices;
  if (context.wants_output(1))
    indices = context.allocate_output(1, DType::kI64, pooling.out_dims).values<int64_t>();
  const bool by_columns = context.node().int_attribute("storage_order", 0) != 0;
  const bool is_float_type = is_float(pooling.x.dtype());
  const int64_t windows = element_count(pooling.out_spatial);
  run_pooling(context, pooling, y, [&](std::span<const double> plane, int64_t i) {
    double top = -std::numeric_limits<double>::infinity();
    int64_t best = -1;
    pooling.visit(i % windows, [&](int64_t place) {
      const double value = plane[static_cast<size_t>(place)];
      if (best >= 0 && !(value > top) && !(std::isnan(value) && !std::isnan(top))) return;
      top = value;
      best = place;
    });
    if (!indices.empty()) {
      const int64_t inner = by_columns && best >= 0 ? column_major(pooling.in_spatial, best) : best;
      indices[static_cast<size_t>(i)] = best < 0 ? -1 : i / windows * pooling.plane + inner;
    }
    return best < 0 && !is_float_type ? 0.0 : top;
  });
}

constexpr AttributeSpec kAutoPad = {"auto_pad", AttributeKind::kString};
constexpr AttributeSpec kCeilMode = {"ceil_mode", AttributeKind::kInt};
constexpr AttributeSpec kDilations = {"dilations", AttributeKind::kInts};
constexpr AttributeSpec kKernelShape = {"kernel_shape", AttributeKind::kInts, true};
constexpr AttributeSpec kPads = {"pads", AttributeKind::kInts};
constexpr AttributeSpec kStrides = {"strides", AttributeKind::kInts};
constexpr DTypeSet kMaxTypes = kFloatTypes | DTypeSet{DType::kI8, DType::kU8};

}  // namespace

// The mean of each window's elements, over all of them or (count_include_pad 0) those that are no padding.
extern constinit const OpSchema kAveragePool = {
    .domain = "",
    .op = "AveragePool",
    .since_version = 22,
    .inputs = {{"X", "T", kFloatTypes}},
    .outputs = {{"Y", "T", kFloatTypes}},
    .attributes = {kAutoPad,
                   kCeilMode,
                   {"count_include_pad", AttributeKind::kInt},
                   kDilations,
                   kKernelShape,
                   kPads,
                   kStrides},
    .infer = infer_pool,
    .reference = average_reference,
};

// The largest element of each window, NaN above all, and its number among all elements of X, or that in an X
// whose spatial dims are in column-major order (storage_order 1).
extern constinit const OpSchema kMaxPool = {
    .domain = "",
    .op = "MaxPool",
    .since_version = 22,
    .inputs = {{"X", "T", kMaxTypes}},
    .outputs = {{"Y", "T", kMaxTypes}, {"Indices", "I", {DType::kI64}, true}},
    .attributes = {kAutoPad,
                   kCeilMode,
                   kDilations,
                   kKernelShape,
                   kPads,
                   {"storage_order", AttributeKind::kInt},
                   kStrides},
    .infer = infer_pool,
    .reference = max_reference,
};

// (Σ |x|^p)^(1/p) of each window.
extern constinit const OpSchema kLpPool = {
    .domain = "",
    .op = "LpPool",
    .since_version = 22,
    .inputs = {{"X", "T", kFloatTypes}},
    .outputs = {{"Y", "T", kFloatTypes}},
    .attributes =
        {kAutoPad, kCeilMode, kDilations, kKernelShape, {"p", AttributeKind::kInt}, kPads, kStrides},
    .infer = infer_pool,
    .reference = lp_reference,
};

}  // namespace oag
