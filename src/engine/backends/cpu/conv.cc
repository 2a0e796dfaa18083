// Conv and oag.FusedConv of f32 with one or two spatial dims. Against a double sum: 1e-6 of Σ|w·x| per 1,000
// products.
//
// Each group of output channels is a matrix product of the weights, as they are stored, with the elements
// under the windows: read from copied rows of the map where rows of windows are long, else from columns of
// windows that are made a panel at a time. A group of one input channel is summed tap by tap, neighbouring
// windows together; a plane of one element is a product with rows of weights, and one of few windows too
// (conv_few_windows.h).
#include <algorithm>

#include "engine/backends/cpu/conv_few_windows.h"
#include "engine/backends/cpu/conv_operands.h"
#include "engine/backends/cpu/conv_windows.h"
#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/backends/cpu/matrix_product.h"
#include "engine/backends/cpu/row_product.h"
#include "engine/backends/cpu/tap_rows.h"

namespace oag::cpu {
namespace {

Refusal accept(const KernelQuery& query) {
  if (query.dtype(0) != DType::kF32) return "x is not f32";
  const Shape* shape = query.shape(1) != nullptr ? query.shape(1) : query.shape(0);
  if (shape == nullptr) return "the rank is not known";
  return shape->size() == 3 || shape->size() == 4 ? Refusal{} : "not one or two spatial dims";
}

// The pass that makes these nodes has looked at w's rank; it is asked for by element types alone.
Refusal accept_fused(const KernelQuery& query) {
  return query.shape(1) == nullptr && query.dtype(0) == DType::kF32 ? Refusal{} : accept(query);
}

void run_columns(KernelEnv& env, const MicroKernels& micro, const ConvOperands& conv) {
  const ImageColumns columns(conv.windows);
  const int64_t depth = conv.depth(), out_plane = conv.windows.out_plane();
  const auto finish = [&](float* y, int64_t count) { conv.finish.apply(y, count); };
  const FinishRow finish_row(finish);
  const MatrixProducts products = {conv.batch * conv.groups,
                                   conv.outputs,
                                   depth,
                                   out_plane,
                                   depth,
                                   out_plane,
                                   conv.finish.needed() ? &finish_row : nullptr};
  multiply_all(
      env, micro, products,
      [&](int64_t i) {
        const int64_t first = i % conv.groups * conv.outputs;
        return ProductOperands{conv.w + first * depth, conv.y + i * conv.outputs * out_plane, nullptr,
                               conv.bias_of(first)};
      },
      [&](int64_t i, int64_t column, int64_t count, int64_t k, int64_t some, float* panel) {
        columns.fill(conv.x + i * conv.channels * conv.windows.plane(), column, count, k, some, panel);
      });
}

void run_pointwise(KernelEnv& env, const MicroKernels& micro, const ConvOperands& conv) {
  const auto finish = [&](float* y, int64_t count) { conv.finish.apply(y, count); };
  const FinishRun finish_run(finish);
  const int64_t plane = conv.windows.plane();
  multiply_rows(
      env, micro,
      {conv.images(), conv.outputs, conv.channels, plane, conv.finish.needed() ? &finish_run : nullptr},
      [&](int64_t i) {
        const int64_t first = i % conv.groups * conv.outputs;
        return RowOperands{conv.w + first * conv.channels, conv.x + i * conv.channels * plane,
                           conv.y + i * conv.outputs * plane, conv.bias_of(first)};
      });
}

void run_taps(KernelEnv& env, const MicroKernels& micro, const ConvOperands& conv) {
  const ImageWindows& windows = conv.windows;
  const int64_t planes = conv.batch * conv.groups, out_width = windows.out_width;
  const TapRows rows(windows, (4 * env.workers() + planes - 1) / planes);
  const auto values = static_cast<size_t>(rows.values());
  auto* scratch =
      reinterpret_cast<float*>(env.workspace(static_cast<size_t>(env.workers()) * values * sizeof(float)));
  const int64_t ns = rows.block_rows() * out_width * (1 + conv.outputs * windows.taps() / 8);
  env.parallel_for(planes * rows.blocks(), ns, [&](int64_t i, int worker) {
    const int64_t plane = i / rows.blocks(), first = i % rows.blocks() * rows.block_rows();
    const int64_t count = std::min(rows.block_rows(), windows.out_height - first);
    float* block = scratch + static_cast<size_t>(worker) * values;
    rows.load(conv.x + plane * windows.plane(), first, count, 0.0f, block);
    for (int64_t m = 0; m < conv.outputs; ++m) {
      const int64_t output = plane % conv.groups * conv.outputs + m;
      const float bias = conv.bias == nullptr ? 0.0f : conv.bias[output];
      float* y = conv.y + (plane * conv.outputs + m) * windows.out_plane() + first * out_width;
      for (int64_t r = 0; r < count; ++r) {
        micro.tap_sums(block + r * rows.row_step(), rows.offsets().data(), conv.w + output * windows.taps(),
                       windows.taps(), bias, out_width, y + r * out_width);
      }
      if (conv.finish.needed()) conv.finish.apply(y, count * out_width);
    }
  });
}

void run_rows(KernelEnv& env, const MicroKernels& micro, const ConvOperands& conv) {
  constexpr int64_t kRows = 32;
  const int64_t row_bytes = conv.channels * static_cast<int64_t>(sizeof(float));
  env.parallel_for(
      (conv.outputs + kRows - 1) / kRows, kRows * conv.channels * conv.batch / 8, [&](int64_t i, int) {
        const int64_t first = i * kRows, count = std::min(kRows, conv.outputs - first);
        micro.dot_f32({conv.w + first * conv.channels, row_bytes}, count, conv.x, conv.channels, conv.batch,
                      conv.channels, conv.bias_of(first), conv.y + first, conv.outputs);
        for (int64_t n = 0; n < conv.batch && conv.finish.needed(); ++n)
          conv.finish.apply(conv.y + n * conv.outputs + first, count);
      });
}

void run(const KernelContext& context, const MicroKernels& micro) {
  const ConvSizes sizes(context, 1);
  sizes.check_channels(context, 2);
  if (context.allocate_output(0, DType::kF32, sizes.out_dims).count() == 0) return;
  const ConvOperands conv(context, sizes, micro);
  if (conv.groups == 1 && conv.depth() > 1 && conv.windows.out_plane() <= FewWindows::kMost) {
    const FewWindows few = {conv.windows, conv.batch, conv.channels, conv.outputs,
                            conv.x,       conv.w,     conv.bias,     conv.y};
    return run_few_windows(context.env(), micro, few, [&](float* y, int64_t count) {
      if (conv.finish.needed()) conv.finish.apply(y, count);
    });
  }
  if (conv.channels == 1 && copyable(sizes.axes)) return run_taps(context.env(), micro, conv);
  const bool one_element = conv.windows.pointwise() && conv.windows.plane() == 1;
  if (one_element && conv.groups == 1) return run_rows(context.env(), micro, conv);
  if (conv.windows.pointwise()) return run_pointwise(context.env(), micro, conv);
  if (copyable(sizes.axes) && suits_windows(conv, micro)) return run_windows(context.env(), micro, conv);
  run_columns(context.env(), micro, conv);
}

}  // namespace

extern constinit const KernelImpl kConv = {"", "Conv", "conv", accept, make_kernel<run>};
extern constinit const KernelImpl kFusedConv = {"oag", "FusedConv", "fused_conv", accept_fused,
                                                make_kernel<run>};

}  // namespace oag::cpu
