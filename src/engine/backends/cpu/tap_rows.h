#pragma once

#include <span>
#include <vector>

#include "engine/backends/cpu/image_windows.h"

namespace oag::cpu {

// Some rows of a plane with their padding, copied so that the elements on which one tap of neighbouring
// windows lies are neighbours too, whatever the stride.
class TapRows {
 public:
  // `blocks`: into how many blocks the rows of windows should be cut at least.
  TapRows(const ImageWindows& windows, int64_t blocks);

  int64_t block_rows() const { return block_rows_; }  // rows of windows in a block, but for the last
  int64_t blocks() const { return (windows_.out_height + block_rows_ - 1) / block_rows_; }
  int64_t values() const;                                                  // of a block
  int64_t row_step() const { return windows_.down.stride * row_values_; }  // between rows of windows
  // From the first window of a row to the element under each tap.
  std::span<const int64_t> offsets() const { return offsets_; }

  // Elements for the rows of windows [first, first + rows), `padding` where there is none.
  void load(const float* plane, int64_t first, int64_t rows, float padding, float* to) const;

 private:
  int64_t input_rows(int64_t rows) const {
    return (rows - 1) * windows_.down.stride + windows_.down.extent();
  }

  ImageWindows windows_;
  std::vector<int64_t> phases_;  // the remainders of places by the stride that taps have
  int64_t phase_values_, row_values_, block_rows_;
  std::vector<int64_t> offsets_;
};

}  // namespace oag::cpu
