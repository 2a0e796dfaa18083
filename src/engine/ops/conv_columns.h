#pragma once

#include <vector>

#include "engine/ops/column_product.h"
#include "engine/ops/sliding_window.h"

namespace oag {

// The columns of a convolution of x [N, C, spatial…]: term (c, tap) at output position p is the element of
// channel c that the tap lies on there, 0 in the padding. `transposed`: the element whose window's tap lies
// on p.
class WindowColumns {
 public:
  WindowColumns(const Dims& x, const Dims& out_spatial, const std::vector<WindowAxis>& axes, int64_t groups,
                bool transposed = false);

  // `values`: x in double.
  void fill(std::span<const double> values, const ColumnProduct::Piece& piece, std::span<double> out) const;

 private:
  // Within a channel's plane; -1 for none.
  int64_t place(int64_t tap, int64_t position) const;

  int64_t channels_;  // of one group
  int64_t groups_;
  int64_t plane_ = 1, taps_ = 1;
  Dims in_, out_;
  std::vector<WindowAxis> axes_;
  bool transposed_;
};

}  // namespace oag
