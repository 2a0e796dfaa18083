#pragma once

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <vector>

#include "engine/formats/npy/npy.h"

namespace oag::test {

// One array of a .npy file, row-major.
template <typename T>
struct Npy {
  std::vector<int64_t> shape;
  std::vector<T> values;
};

template <typename T>
constexpr DType kNpyType = DType::kUndefined;
template <>
inline constexpr DType kNpyType<float> = DType::kF32;
template <>
inline constexpr DType kNpyType<int32_t> = DType::kI32;
template <>
inline constexpr DType kNpyType<int64_t> = DType::kI64;
template <>
inline constexpr DType kNpyType<uint8_t> = DType::kU8;
template <>
inline constexpr DType kNpyType<uint16_t> = DType::kF16;  // the bits of halves

// Errors: as read_npy; std::runtime_error for another element type.
template <typename T>
Npy<T> load_npy(const std::filesystem::path& file) {
  const Tensor tensor = read_npy(file);
  if (tensor.dtype() != kNpyType<T>)
    throw std::runtime_error(file.string() + ": holds " + std::string(dtype_name(tensor.dtype())));
  return {{tensor.dims().begin(), tensor.dims().end()},
          {tensor.values<T>().begin(), tensor.values<T>().end()}};
}

}  // namespace oag::test
