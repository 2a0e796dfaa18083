#include "cli/random_values.h"

#include <algorithm>
#include <string>
#include <vector>

#include "engine/ops/element.h"

namespace oag::cli {
// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
uint64_t RandomValues::next() {
  uint64_t z = state_ += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// Types that reference kernels do not store: each code is 0 or 1, of f8e8m0 that of 0.5 or 1.
void RandomValues::draw_codes(const Tensor& tensor) {
  std::fill(tensor.bytes().begin(), tensor.bytes().end(), std::byte{0});
  const int64_t in_byte = dtype_info(tensor.dtype()).block_values;
  const uint64_t base = tensor.dtype() == DType::kF8E8M0 ? 126 : 0;
  for (int64_t i = 0; i < tensor.count(); ++i) {
    const auto code = static_cast<std::byte>(base + (next() & 1));
    tensor.data()[i / in_byte] |= code << (i % in_byte * (8 / in_byte));
  }
}

Tensor RandomValues::tensor(DType dtype, Dims dims) {
  Tensor tensor = Tensor::host(dtype, std::move(dims));
  if (dtype == DType::kString) {
    for (std::string& word : tensor.values<std::string>()) {
      for (int letter = 0; letter < 8; ++letter) word += static_cast<char>('a' + next() % 26);
    }
  } else if (dtype == DType::kC64) {
    for (float& part :
         std::span(reinterpret_cast<float*>(tensor.data()), 2 * static_cast<size_t>(tensor.count())))
      part = static_cast<float>(fraction());
  } else if (dtype == DType::kC128) {
    for (double& part :
         std::span(reinterpret_cast<double*>(tensor.data()), 2 * static_cast<size_t>(tensor.count())))
      part = fraction();
  } else if (is_packed(dtype) || dtype == DType::kF8E8M0) {
    draw_codes(tensor);
  } else {
    std::vector<double> values(static_cast<size_t>(tensor.count()));
    for (double& value : values) value = is_float(dtype) ? fraction() : static_cast<double>(next() & 1);
    store_elements<double>(tensor, 0, 1, values);
  }
  return tensor;
}

}  // namespace oag::cli
