#pragma once

#include <algorithm>
#include <string>

#include "engine/tensor/tensor.h"

namespace oag {

// `count` elements of `from`, beginning with its element `start`, to the place `at` of `to`: whole bytes or
// strings, of one type. Arrays may not overlap.
inline void copy_run(const Tensor& to, int64_t at, const Tensor& from, int64_t start, int64_t count) {
  if (from.dtype() == DType::kString) {
    std::copy_n(from.values<std::string>().begin() + start, count, to.values<std::string>().begin() + at);
  } else {
    const size_t size = row_bytes(from.dtype(), 1);
    std::copy_n(from.data() + static_cast<size_t>(start) * size, static_cast<size_t>(count) * size,
                to.data() + static_cast<size_t>(at) * size);
  }
}

}  // namespace oag
