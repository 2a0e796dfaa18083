#include "engine/backends/cpu/image_windows.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/backends/cpu/micro_kernels.h"

namespace oag::cpu {

ImageWindows::ImageWindows(const Dims& in, const Dims& out, const std::vector<WindowAxis>& axes,
                           Direction direction)
    : width(in.back()), out_width(out.back()), across(axes.back()) {
  if (axes.size() == 2) {
    height = in[2];
    out_height = out[2];
    down = axes[0];
    if (width == 1 && out_width == 1 && across.kernel == 1) {  // a column is as good as a row
      std::swap(height, width);
      std::swap(out_height, out_width);
      std::swap(down, across);
    }
  }
  if (direction == kTransposed || !pointwise()) return;
  width *= height;
  out_width = width;
  height = out_height = 1;
}

bool copyable(const std::vector<WindowAxis>& axes) {
  constexpr int64_t kMost = 1024;
  int64_t taps = 1;
  for (const WindowAxis& axis : axes) {
    if (axis.kernel > kMost || axis.dilation > kMost || axis.stride > kMost || axis.extent() > kMost)
      return false;
    taps *= axis.kernel;
  }
  return taps <= kMost;
}

TapRange::TapRange(const WindowAxis& axis, int64_t tap, int64_t length, int64_t windows) {
  // The least window whose tap lies at `place` or behind it.
  const auto least = [&](int64_t place) {
    const int64_t distance = place + axis.before - tap * axis.dilation;
    return std::clamp<int64_t>(distance <= 0 ? 0 : (distance + axis.stride - 1) / axis.stride, 0, windows);
  };
  first = least(0);
  end = least(length);
}

ImageColumns::ImageColumns(const ImageWindows& windows) : windows_(windows) {
  for (int64_t tap = 0; tap < windows.across.kernel; ++tap)
    ranges_.emplace_back(windows.across, tap, windows.width, windows.out_width);
}

void ImageColumns::copy(const float* row, int64_t tap, int64_t window, int64_t count, float* to) const {
  const WindowAxis& axis = windows_.across;
  const TapRange& range = ranges_[static_cast<size_t>(tap)];
  const bool inside = window >= range.first && window + count <= range.end;
  if (inside && axis.stride == 1 &&
      count == kPanelColumns) {  // most of all: a length that the compiler knows
    std::memcpy(to, row + tap * axis.dilation - axis.before + window, kPanelColumns * sizeof(float));
    return;
  }
  const int64_t first = std::clamp(range.first - window, int64_t{0}, count);
  const int64_t end = std::clamp(range.end - window, first, count);
  std::fill_n(to, first, 0.0f);
  const int64_t shift = tap * axis.dilation - axis.before + window * axis.stride;
  if (axis.stride == 1) {
    std::copy_n(row + shift + first, end - first, to + first);
  } else if (axis.stride == 2) {
    for (int64_t i = first; i < end; ++i) to[i] = row[shift + 2 * i];
  } else {
    for (int64_t i = first; i < end; ++i) to[i] = row[shift + i * axis.stride];
  }
  std::fill_n(to + end, count - end, 0.0f);
}

void ImageColumns::fill(const float* image, int64_t column, int64_t count, int64_t k, int64_t depth,
                        float* panel) const {
  const WindowAxis& down = windows_.down;
  // Columns of one row of windows, `at` their place in the panel.
  struct Run {
    int64_t top, window, count, at;
  };
  Run runs[kPanelColumns];
  int run_count = 0;
  for (int64_t at = 0; at < count;) {
    const int64_t row = (column + at) / windows_.out_width, window = (column + at) % windows_.out_width;
    const int64_t some = std::min(windows_.out_width - window, count - at);
    runs[run_count++] = {row * down.stride - down.before, window, some, at};
    at += some;
  }
  int64_t across_tap = k % windows_.across.kernel;
  int64_t down_tap = k / windows_.across.kernel % down.kernel;
  const float* plane = image + k / windows_.taps() * windows_.plane();
  for (int64_t i = 0; i < depth; ++i) {
    float* to = panel + i * kPanelColumns;
    for (int r = 0; r < run_count; ++r) {
      const Run& run = runs[r];
      const int64_t row = run.top + down_tap * down.dilation;
      if (row < 0 || row >= windows_.height)
        std::fill_n(to + run.at, run.count, 0.0f);
      else
        copy(plane + row * windows_.width, across_tap, run.window, run.count, to + run.at);
    }
    std::fill_n(to + count, kPanelColumns - count, 0.0f);
    if (++across_tap < windows_.across.kernel) continue;
    across_tap = 0;
    if (++down_tap < down.kernel) continue;
    down_tap = 0;
    plane += windows_.plane();
  }
}

}  // namespace oag::cpu
