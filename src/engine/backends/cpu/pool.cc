// MaxPool and AveragePool of f32 with one or two spatial dims, GlobalAveragePool, GlobalMaxPool, and
// BatchNormalization with given statistics. Maxima are exact; a mean is within 1e-6 of the mean of |x| per
// 1,000 elements.
#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/backends/cpu/image_windows.h"
#include "engine/backends/cpu/tap_rows.h"

namespace oag::cpu {
namespace {

Refusal accept_pool(const KernelQuery& query) {
  if (query.dtype(0) != DType::kF32) return "x is not f32";
  const std::vector<int64_t> kernel = query.node.ints_attribute("kernel_shape");
  if (kernel.empty() || kernel.size() > 2) return "not one or two spatial dims";
  return copyable(Windows(query.node, kernel).axes()) ? Refusal{} : "its windows are large";
}

Refusal accept_max(const KernelQuery& query) {
  const auto& outputs = query.node.outputs;
  if (outputs.size() > 1 && outputs[1] != kNoValue) return "indices are wanted";
  return accept_pool(query);
}

// Calls row(elements of the first window, plane, row of windows) for every row of windows, with its elements
// at taps.offsets() from there and `padding` where there is none.
template <typename Row>
void for_rows(KernelEnv& env, const float* x, int64_t planes, const ImageWindows& windows,
              const TapRows& taps, float padding, const Row& row) {
  const auto values = static_cast<size_t>(taps.values());
  auto* scratch =
      reinterpret_cast<float*>(env.workspace(static_cast<size_t>(env.workers()) * values * sizeof(float)));
  const int64_t ns = taps.block_rows() * windows.out_width * (1 + windows.taps() / 8);
  env.parallel_for(planes * taps.blocks(), ns, [&](int64_t i, int worker) {
    const int64_t plane = i / taps.blocks(), first = i % taps.blocks() * taps.block_rows();
    const int64_t count = std::min(taps.block_rows(), windows.out_height - first);
    float* block = scratch + static_cast<size_t>(worker) * values;
    taps.load(x + plane * windows.plane(), first, count, padding, block);
    for (int64_t r = 0; r < count; ++r) row(block + r * taps.row_step(), plane, first + r);
  });
}

struct Pooling {
  explicit Pooling(const KernelContext& context) : x(context.input(0)) {
    const Windows given(context.node(), context.node().ints_attribute("kernel_shape"));
    const Dims spatial = given.spatial_counts(x.dims());
    axes = given.settled(x.dims());
    out_dims = {x.dim(0), x.dim(1)};
    out_dims.insert(out_dims.end(), spatial.begin(), spatial.end());
  }
  int64_t planes() const { return x.dim(0) * x.dim(1); }

  const Tensor& x;
  std::vector<WindowAxis> axes;
  Dims out_dims;
};

float max_or_nan(const float* x, std::span<const int64_t> offsets) {
  float top = -std::numeric_limits<float>::infinity();
  for (const int64_t offset : offsets) {
    if (std::isnan(x[offset])) return x[offset];
    top = std::max(top, x[offset]);
  }
  return top;
}

void run_max(const KernelContext& context, const MicroKernels& micro) {
  const Pooling pooling(context);
  const Tensor& out = context.allocate_output(0, DType::kF32, pooling.out_dims);
  if (out.count() == 0) return;
  const ImageWindows windows(pooling.x.dims(), pooling.out_dims, pooling.axes);
  const TapRows taps(windows, 1 + 4 * context.env().workers() / pooling.planes());
  const std::span<const int64_t> offsets = taps.offsets();
  const auto count = static_cast<int64_t>(offsets.size());
  const float* x = pooling.x.values<float>().data();
  float* y = out.values<float>().data();
  const bool has_nan = std::any_of(x, x + pooling.x.count(), [](float value) { return std::isnan(value); });
  for_rows(context.env(), x, pooling.planes(), windows, taps, -std::numeric_limits<float>::infinity(),
           [&](const float* from, int64_t plane, int64_t row) {
             float* to = y + plane * windows.out_plane() + row * windows.out_width;
             if (!has_nan) return micro.tap_maxima(from, offsets.data(), count, windows.out_width, to);
             for (int64_t i = 0; i < windows.out_width; ++i) to[i] = max_or_nan(from + i, offsets);
           });
}

// How many elements each window along a dim of `length` has, with or without the padding.
std::vector<float> window_counts(const WindowAxis& axis, int64_t length, int64_t windows, bool padded) {
  std::vector<float> counts;
  for (int64_t i = 0; i < windows; ++i) {
    const int64_t start = i * axis.stride - axis.before;
    const auto taps_below = [&](int64_t end) {
      return std::clamp<int64_t>((end - start + axis.dilation - 1) / axis.dilation, 0, axis.kernel);
    };
    const int64_t first =
        start >= 0 ? 0 : std::min(axis.kernel, (-start + axis.dilation - 1) / axis.dilation);
    const int64_t seen = std::max<int64_t>(0, taps_below(std::max(length, start)) - first);
    counts.push_back(static_cast<float>(padded ? taps_below(length + axis.after) : seen));
  }
  return counts;
}

void run_average(const KernelContext& context, const MicroKernels& micro) {
  const Pooling pooling(context);
  const Tensor& out = context.allocate_output(0, DType::kF32, pooling.out_dims);
  if (out.count() == 0) return;
  const bool padded = context.node().int_attribute("count_include_pad", 0) != 0;
  const ImageWindows windows(pooling.x.dims(), pooling.out_dims, pooling.axes);
  const TapRows taps(windows, 1 + 4 * context.env().workers() / pooling.planes());
  const std::vector<float> ones(static_cast<size_t>(windows.taps()), 1.0f);
  const auto across = window_counts(windows.across, windows.width, windows.out_width, padded);
  const auto down = window_counts(windows.down, windows.height, windows.out_height, padded);
  float* y = out.values<float>().data();
  for_rows(context.env(), pooling.x.values<float>().data(), pooling.planes(), windows, taps, 0.0f,
           [&](const float* from, int64_t plane, int64_t row) {
             float* to = y + plane * windows.out_plane() + row * windows.out_width;
             micro.tap_sums(from, taps.offsets().data(), ones.data(), windows.taps(), 0.0f, windows.out_width,
                            to);
             const float rows = down[static_cast<size_t>(row)];
             for (int64_t i = 0; i < windows.out_width; ++i)  // a window in the padding alone sums to 0
               to[i] /= std::max(rows * across[static_cast<size_t>(i)], 1.0f);
           });
}

Refusal accept_f32(const KernelQuery& query) {
  return query.dtype(0) == DType::kF32 ? Refusal{} : "x is not f32";
}

// y of each plane = reduce(its elements, how many).
template <typename Reduce>
void run_global(const KernelContext& context, Reduce reduce) {
  const Tensor& x = context.input(0);
  if (x.rank() < 2) context.refuse("X {} must be [N, C, spatial …]", to_string(x.dims()));
  Dims dims = x.dims();
  std::fill(dims.begin() + 2, dims.end(), 1);
  const Tensor& out = context.allocate_output(0, DType::kF32, dims);
  if (out.count() == 0) return;
  const int64_t length = x.count() / out.count();
  const float* from = x.values<float>().data();
  float* y = out.values<float>().data();
  context.env().parallel_for(out.count(), 1 + length / 4,
                             [&](int64_t i, int) { y[i] = reduce(from + i * length, length); });
}

float mean_of(const float* plane, int64_t length) {
  constexpr int64_t kSums = 8;
  double sums[kSums] = {};
  int64_t at = 0;
  for (; at + kSums <= length; at += kSums) {
    for (int64_t lane = 0; lane < kSums; ++lane) sums[lane] += double{plane[at + lane]};
  }
  for (; at < length; ++at) sums[0] += double{plane[at]};
  double total = 0;
  for (const double sum : sums) total += sum;
  return static_cast<float>(total / static_cast<double>(length));
}

// NaN where there is one.
float max_of(const float* plane, int64_t length) {
  constexpr int64_t kLanes = 8;
  float tops[kLanes];
  std::fill_n(tops, kLanes, -std::numeric_limits<float>::infinity());
  const auto join = [](float top, float value) { return top > value || top != top ? top : value; };
  int64_t at = 0;
  for (; at + kLanes <= length; at += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) tops[lane] = join(tops[lane], plane[at + lane]);
  }
  for (; at < length; ++at) tops[0] = join(tops[0], plane[at]);
  float top = tops[0];
  for (const float other : tops) top = join(top, other);
  return top;
}

void run_global_average(const KernelContext& context, const MicroKernels&) {
  run_global(context, mean_of);
}
void run_global_max(const KernelContext& context, const MicroKernels&) {
  run_global(context, max_of);
}

Refusal accept_batch(const KernelQuery& query) {
  if (query.node.int_attribute("training_mode", 0) != 0) return "statistics of the batch are wanted";
  for (size_t i = 0; i < 5; ++i) {
    if (query.dtype(i) != DType::kF32) return "inputs are not all f32";
  }
  return {};
}

void run_batch(const KernelContext& context, const MicroKernels&) {
  const Tensor& x = context.input(0);
  const int64_t channels = x.rank() < 2 ? 1 : x.dim(1);
  for (size_t i = 1; i < 5; ++i) {
    if (context.input(i).dims() != Dims{channels})
      context.refuse("input {} is {}; it must be [{}]", i, to_string(context.input(i).dims()), channels);
  }
  const auto of = [&](size_t input, int64_t channel) {
    return context.input(input).values<float>()[static_cast<size_t>(channel)];
  };
  const float epsilon = context.node().float_attribute("epsilon", 1e-5f);
  const float* from = x.values<float>().data();
  float* y = context.allocate_output(0, DType::kF32, x.dims()).values<float>().data();
  if (x.count() == 0) return;
  const int64_t planes = x.rank() < 2 ? 1 : x.dim(0) * channels, length = x.count() / planes;
  constexpr int64_t kPiece = 16 * 1024;
  const int64_t pieces = (length + kPiece - 1) / kPiece;
  context.env().parallel_for(planes * pieces, std::min(kPiece, length) / 4, [&](int64_t i, int) {
    const int64_t plane = i / pieces, channel = plane % channels, first = i % pieces * kPiece;
    const float mean = of(3, channel), bias = of(2, channel);
    const double deviation = std::sqrt(double{of(4, channel)} + double{epsilon});
    const auto factor = static_cast<float>(double{of(1, channel)} / deviation);
    const int64_t begin = plane * length + first, end = begin + std::min(kPiece, length - first);
    for (int64_t at = begin; at < end; ++at) y[at] = (from[at] - mean) * factor + bias;
  });
}

}  // namespace

extern constinit const KernelImpl kMaxPool = {"", "MaxPool", "max_pool", accept_max, make_kernel<run_max>};
extern constinit const KernelImpl kAveragePool = {"", "AveragePool", "average_pool", accept_pool,
                                                  make_kernel<run_average>};
extern constinit const KernelImpl kGlobalAveragePool = {"", "GlobalAveragePool", "global_average_pool",
                                                        accept_f32, make_kernel<run_global_average>};
extern constinit const KernelImpl kGlobalMaxPool = {"", "GlobalMaxPool", "global_max_pool", accept_f32,
                                                    make_kernel<run_global_max>};
extern constinit const KernelImpl kBatchNormalization = {"", "BatchNormalization", "batch_normalization",
                                                         accept_batch, make_kernel<run_batch>};

}  // namespace oag::cpu
