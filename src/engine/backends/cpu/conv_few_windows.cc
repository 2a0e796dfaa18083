#include "engine/backends/cpu/conv_few_windows.h"

#include <algorithm>

#include "engine/backends/cpu/matrix_product.h"

namespace oag::cpu {
namespace {

// Up to so many rows the weights are read as they lie; packing them would take longer.
constexpr int64_t kFewRows = 12;

float* scratch(KernelEnv& env, int64_t count) {
  return reinterpret_cast<float*>(env.workspace(static_cast<size_t>(count) * sizeof(float)));
}

// The taps of one window along a row of `length` elements, 0 where there are none.
void copy_taps(const float* row, int64_t length, const WindowAxis& axis, int64_t window, float* to) {
  const int64_t start = window * axis.stride - axis.before;
  if (axis.dilation == 1 && start >= 0 && start + axis.kernel <= length) {
    std::copy_n(row + start, axis.kernel, to);
    return;
  }
  for (int64_t tap = 0; tap < axis.kernel; ++tap) {
    const int64_t at = start + tap * axis.dilation;
    to[tap] = at >= 0 && at < length ? row[at] : 0.0f;
  }
}

// One window's elements: [channels, taps].
void copy_window(const FewWindows& conv, const float* x, int64_t window, float* to) {
  const ImageWindows& windows = conv.windows;
  const int64_t top = window / windows.out_width * windows.down.stride - windows.down.before;
  for (int64_t c = 0; c < conv.channels; ++c, x += windows.plane()) {
    for (int64_t tap = 0; tap < windows.down.kernel; ++tap, to += windows.across.kernel) {
      const int64_t row = top + tap * windows.down.dilation;
      if (row < 0 || row >= windows.height) {
        std::fill_n(to, windows.across.kernel, 0.0f);
      } else {
        copy_taps(x + row * windows.width, windows.width, windows.across, window % windows.out_width, to);
      }
    }
  }
}

// The windows of all images: [batch · out plane, depth].
const float* window_rows(KernelEnv& env, const FewWindows& conv, int64_t depth) {
  const int64_t windows = conv.windows.out_plane();
  float* rows = scratch(env, conv.batch * windows * depth);
  env.parallel_for(conv.batch * windows, depth, [&](int64_t i, int) {
    const float* x = conv.x + i / windows * conv.channels * conv.windows.plane();
    copy_window(conv, x, i % windows, rows + i * depth);
  });
  return rows;
}

// y [rows, outputs] = rows · wᵀ + bias.
bool multiply_rows(KernelEnv& env, const MicroKernels& micro, const FewWindows& conv, const float* rows,
                   int64_t count, int64_t depth, float* y) {
  const int64_t stride = depth * static_cast<int64_t>(sizeof(float));
  if (count > kFewRows) {
    return multiply(env, micro, {count, depth, conv.outputs, rows, depth, y, conv.outputs, conv.bias},
                    [&](int64_t output, int64_t some, int64_t k, int64_t deep, float* panel) {
                      micro.pack_columns_f32({conv.w + output * depth, stride}, some, k, deep, panel);
                    });
  }
  constexpr int64_t kOutputs = 32;
  return env.parallel_for(
      (conv.outputs + kOutputs - 1) / kOutputs, kOutputs * depth * (4 + count) / 32, [&](int64_t i, int) {
        const int64_t first = i * kOutputs;
        micro.dot_f32({conv.w + first * depth, stride}, std::min(kOutputs, conv.outputs - first), rows, depth,
                      count, depth, conv.bias == nullptr ? nullptr : conv.bias + first, y + first,
                      conv.outputs);
      });
}

}  // namespace

void run_few_windows(KernelEnv& env, const MicroKernels& micro, const FewWindows& conv,
                     FunctionRef<void(float* y, int64_t count)> finish) {
  const int64_t depth = conv.channels * conv.windows.taps(), windows = conv.windows.out_plane();
  const float* rows = window_rows(env, conv, depth);
  float* turned = scratch(env, conv.batch * windows * conv.outputs);
  if (env.should_stop() || !multiply_rows(env, micro, conv, rows, conv.batch * windows, depth, turned))
    return;
  env.parallel_for(conv.batch, conv.outputs * windows / 2, [&](int64_t image, int) {
    float* y = conv.y + image * conv.outputs * windows;
    micro.transpose_block(turned + image * windows * conv.outputs, conv.outputs, windows, conv.outputs, y,
                          windows);
    finish(y, conv.outputs * windows);
  });
}

}  // namespace oag::cpu
