#pragma once

#include <cstdint>

namespace oag {

// What a picture (frames = 1) or a video becomes: patches in rows and columns. Rows and columns are multiples
// of the merge size; merge * merge patches become one token.
struct ImageGrid {
  int frames = 1;  // temporal slices
  int rows = 0;
  int columns = 0;

  int64_t patches() const { return int64_t{frames} * rows * columns; }
  int64_t tokens(int merge) const { return int64_t{frames} * (rows / merge) * (columns / merge); }
  bool operator==(const ImageGrid&) const = default;
};

}  // namespace oag
