#pragma once

#include <vector>

#include "engine/ops/sliding_window.h"

namespace oag::cpu {

// Windows over planes [height, width]; those of [N, C, length] are planes of one row.
struct ImageWindows {
  enum Direction { kGathered, kTransposed };
  // Of [N, C, spatial…] with one or two spatial dims, and what the windows make of it. Pointwise ones that
  // gather become one row.
  ImageWindows(const Dims& in, const Dims& out, const std::vector<WindowAxis>& axes,
               Direction direction = kGathered);

  int64_t plane() const { return height * width; }
  int64_t out_plane() const { return out_height * out_width; }
  int64_t taps() const { return down.kernel * across.kernel; }
  // Each window is the element that stands where it does.
  bool pointwise() const { return taps() == 1 && plane() == out_plane() && moves_by_one(); }
  int64_t height = 1, width, out_height = 1, out_width;
  WindowAxis down, across;

 private:
  bool moves_by_one() const {
    return down.stride == 1 && across.stride == 1 && down.before == 0 && across.before == 0;
  }
};

// Whether the windows are small enough for TapRows to copy their elements.
bool copyable(const std::vector<WindowAxis>& axes);

// The windows along a row whose tap `tap` lies on one of `length` elements.
struct TapRange {
  TapRange(const WindowAxis& axis, int64_t tap, int64_t length, int64_t windows);
  int64_t first, end;
};

// Writes windows' elements as the columns of a matrix that has a row for each channel and tap.
class ImageColumns {
 public:
  explicit ImageColumns(const ImageWindows& windows);

  // Rows [k, k + depth) of the columns [column, column + count), as a panel of kPanelColumns columns.
  void fill(const float* image, int64_t column, int64_t count, int64_t k, int64_t depth, float* panel) const;

 private:
  void copy(const float* row, int64_t tap, int64_t window, int64_t count, float* to) const;

  ImageWindows windows_;
  std::vector<TapRange> ranges_;  // by tap of a row
};

}  // namespace oag::cpu
