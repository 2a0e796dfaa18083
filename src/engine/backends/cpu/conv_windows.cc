#include "engine/backends/cpu/conv_windows.h"

#include <algorithm>

#include "engine/backends/cpu/row_product.h"
#include "engine/backends/cpu/tap_rows.h"

namespace oag::cpu {
namespace {

constexpr int64_t kBlockValues = 128 * 1024;  // of all channels: half of a second-level cache
constexpr int64_t kMostRows = 240;            // output channels whose weights for kDepthBlock lie beside it

// What TapRows makes of a row of the map, or a little more.
int64_t row_values(const ImageWindows& windows) {
  return windows.width + windows.across.before + windows.across.after + 16 * windows.across.stride;
}
// Into how many blocks the rows of windows are cut.
int64_t block_count(KernelEnv& env, const ConvOperands& conv) {
  const ImageWindows& windows = conv.windows;
  const int64_t fitting = kBlockValues / (conv.channels * row_values(windows));
  const int64_t rows = (fitting - windows.down.extent()) / windows.down.stride + 1;
  const int64_t by_cache = (windows.out_height + std::max<int64_t>(rows, 1) - 1) / std::max<int64_t>(rows, 1);
  return std::max(by_cache, (4 * env.workers() + conv.images() - 1) / conv.images());
}

// One block of rows of windows of one image.
struct Block {
  const ConvOperands& conv;
  const MicroKernels& micro;
  const TapRows& rows;
  const int64_t* offsets;  // by channel and tap
  int64_t image, first, count;

  float* output(int64_t m) const {
    return conv.y + (image * conv.outputs + m) * conv.windows.out_plane() + first * conv.windows.out_width;
  }

  void load(float* values) const {
    for (int64_t c = 0; c < conv.channels; ++c) {
      const float* plane = conv.x + (image * conv.channels + c) * conv.windows.plane();
      rows.load(plane, first, count, 0.0f, values + c * rows.values());
    }
  }

  // Output channels [m, m + outputs) and inputs [k, k + depth).
  void multiply(const float* values, int64_t m, int64_t outputs, int64_t k, int64_t depth) const {
    const int64_t width = conv.windows.out_width, channel = image % conv.groups * conv.outputs + m;
    const float* bias = k + depth == conv.depth() ? conv.bias_of(channel) : nullptr;
    for (int64_t r = 0; r < count; ++r) {
      for (int64_t c = 0; c < width; c += kPanelColumns) {
        micro.window_product(conv.w + channel * conv.depth() + k, conv.depth(), outputs,
                             values + r * rows.row_step() + c, offsets + k, depth, k > 0, bias,
                             output(m) + r * width + c, conv.windows.out_plane(),
                             std::min(kPanelColumns, width - c));
      }
    }
  }

  void finish(int64_t m, int64_t outputs) const {
    for (int64_t i = m; i < m + outputs && conv.finish.needed(); ++i)
      conv.finish.apply(output(i), count * conv.windows.out_width);
  }
};

}  // namespace

bool suits_windows(const ConvOperands& conv, const MicroKernels& micro) {
  const ImageWindows& windows = conv.windows;
  const int64_t lanes = micro.lanes, filled = (windows.out_width + lanes - 1) / lanes * lanes;
  const int64_t least = conv.channels * row_values(windows) * windows.down.extent();
  return conv.channels > 0 && windows.taps() > 1 && 5 * windows.out_width >= 4 * filled &&
         least <= 2 * kBlockValues;
}

void run_windows(KernelEnv& env, const MicroKernels& micro, const ConvOperands& conv) {
  const ImageWindows& windows = conv.windows;
  const TapRows rows(windows, block_count(env, conv));
  std::vector<int64_t> offsets;
  for (int64_t c = 0; c < conv.channels; ++c) {
    for (const int64_t offset : rows.offsets()) offsets.push_back(c * rows.values() + offset);
  }
  const int64_t values = conv.channels * rows.values();
  auto* scratch =
      reinterpret_cast<float*>(env.workspace(static_cast<size_t>(env.workers() * values) * sizeof(float)));
  const int64_t macs = rows.block_rows() * windows.out_width * conv.outputs * conv.depth();
  env.parallel_for(conv.images() * rows.blocks(), 1 + macs / 32, [&](int64_t i, int worker) {
    const int64_t first = i % rows.blocks() * rows.block_rows();
    const Block block = {conv,
                         micro,
                         rows,
                         offsets.data(),
                         i / rows.blocks(),
                         first,
                         std::min(rows.block_rows(), windows.out_height - first)};
    float* loaded = scratch + worker * values;
    block.load(loaded);
    for (int64_t m = 0; m < conv.outputs; m += kMostRows) {
      const int64_t outputs = std::min(kMostRows, conv.outputs - m);
      for (int64_t k = 0; k < conv.depth(); k += kDepthBlock) {
        if (env.should_stop()) return;
        block.multiply(loaded, m, outputs, k, std::min(kDepthBlock, conv.depth() - k));
      }
      block.finish(m, outputs);
    }
  });
}

}  // namespace oag::cpu
