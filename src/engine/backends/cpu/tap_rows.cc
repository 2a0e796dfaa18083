#include "engine/backends/cpu/tap_rows.h"

#include <algorithm>

namespace oag::cpu {
namespace {

constexpr int64_t kSlack = 16;               // what a vector may read behind a row
constexpr int64_t kBlockValues = 64 * 1024;  // a block lies in the second-level cache

}  // namespace

TapRows::TapRows(const ImageWindows& windows, int64_t blocks) : windows_(windows) {
  const WindowAxis& across = windows.across;
  const WindowAxis& down = windows.down;
  phase_values_ = windows.out_width + (across.kernel - 1) * across.dilation / across.stride + kSlack;
  std::vector<int64_t> in_row;
  for (int64_t tap = 0; tap < across.kernel; ++tap) {
    const int64_t place = tap * across.dilation, phase = place % across.stride;
    const auto known = std::find(phases_.begin(), phases_.end(), phase);
    in_row.push_back((known - phases_.begin()) * phase_values_ + place / across.stride);
    if (known == phases_.end()) phases_.push_back(phase);
  }
  row_values_ = static_cast<int64_t>(phases_.size()) * phase_values_;
  for (int64_t tap = 0; tap < down.kernel; ++tap) {
    for (const int64_t place : in_row) offsets_.push_back(tap * down.dilation * row_values_ + place);
  }
  const int64_t fitting = (kBlockValues / row_values_ - down.extent()) / down.stride + 1;
  const int64_t most = std::max<int64_t>(1, windows.out_height / std::max<int64_t>(1, blocks));
  block_rows_ = std::clamp<int64_t>(fitting, 1, most);
}

int64_t TapRows::values() const {
  return input_rows(block_rows_) * row_values_;
}

void TapRows::load(const float* plane, int64_t first, int64_t rows, float padding, float* to) const {
  const WindowAxis& across = windows_.across;
  const int64_t top = first * windows_.down.stride - windows_.down.before;
  for (int64_t r = 0; r < input_rows(rows); ++r) {
    const int64_t row = top + r;
    if (row < 0 || row >= windows_.height) {
      std::fill_n(to, row_values_, padding);
      to += row_values_;
      continue;
    }
    for (const int64_t phase : phases_) {
      // Place i of this phase is element i · stride + shift of the row.
      const int64_t shift = phase - across.before;
      const TapRange range({1, across.stride, 1, -shift, 0}, 0, windows_.width, phase_values_);
      const float* from = plane + row * windows_.width + shift;
      std::fill_n(to, range.first, padding);
      if (across.stride == 1) {
        std::copy_n(from + range.first, range.end - range.first, to + range.first);
      } else {
        for (int64_t i = range.first; i < range.end; ++i) to[i] = from[i * across.stride];
      }
      std::fill_n(to + range.end, phase_values_ - range.end, padding);
      to += phase_values_;
    }
  }
}

}  // namespace oag::cpu
