#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/backends/cpu/micro_kernels.h"
#include "engine/ops/kernel.h"

namespace oag::cpu {

// Rows of activations in the form that products with weights read, in tiles that are as even as they can be:
// with at most 8 in one, 13 rows are 6 and 7, not 8 and 5.
class ActivationTiles {
 public:
  // The f32 rows themselves.
  ActivationTiles(const float* x, int64_t rows, int64_t inputs, int most);
  // Int8 blocks in scratch memory, for packed_dot: `most` <= tile_tokens. Garbage when the run is stopped.
  static ActivationTiles quantised(const MicroKernels& micro, KernelEnv& env, const float* x, int64_t rows,
                                   int64_t inputs, int most);

  struct Tile {
    int64_t first;  // row
    int rows;
    const void* data;
  };
  int64_t count() const { return count_; }
  int64_t most_rows() const { return count_ == 0 ? 0 : (rows_ + count_ - 1) / count_; }  // in one tile
  Tile operator[](int64_t i) const {
    const int64_t first = i * rows_ / count_;
    return {first, static_cast<int>((i + 1) * rows_ / count_ - first), data_ + first * row_bytes_};
  }

 private:
  int64_t rows_, count_, row_bytes_;
  const std::byte* data_;
};

}  // namespace oag::cpu
