#include "cli/tensor_values.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <span>

#include "cli/output.h"
#include "engine/ops/float8.h"
#include "engine/tensor/container.h"
#include "engine/tensor/float16.h"

namespace oag::cli {
namespace {

template <typename T>
T stored(const Tensor& tensor, int64_t i) {
  T value;
  std::memcpy(&value, tensor.data() + static_cast<size_t>(i) * sizeof(T), sizeof(T));
  return value;
}

// ONNX packs from the low bits of each byte.
unsigned packed(const Tensor& tensor, int64_t i, int bits) {
  const int64_t in_byte = 8 / bits;
  const auto byte = std::to_integer<unsigned>(tensor.data()[i / in_byte]);
  return byte >> (i % in_byte * bits) & ((1u << bits) - 1);
}

int sign_extended(unsigned value, int bits) {
  const auto sign = 1u << (bits - 1);
  return static_cast<int>(value ^ sign) - static_cast<int>(sign);
}

long double f4e2m1(unsigned code) {
  constexpr long double kMagnitudes[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  return code & 8 ? -kMagnitudes[code & 7] : kMagnitudes[code & 7];
}

long double f8e8m0(uint8_t code) {
  constexpr int kBias = 127;
  return code == 0xff ? std::numeric_limits<long double>::quiet_NaN() : std::ldexp(1.0L, code - kBias);
}

long double real_at(const Tensor& tensor, int64_t i) {
  switch (tensor.dtype()) {
    case DType::kF32: return stored<float>(tensor, i);
    case DType::kF64: return stored<double>(tensor, i);
    case DType::kF16: return f32_from_f16(stored<uint16_t>(tensor, i));
    case DType::kBF16: return f32_from_bf16(stored<uint16_t>(tensor, i));
    case DType::kF8E8M0: return f8e8m0(stored<uint8_t>(tensor, i));
    case DType::kF4E2M1: return f4e2m1(packed(tensor, i, 4));
    case DType::kI8: return stored<int8_t>(tensor, i);
    case DType::kI16: return stored<int16_t>(tensor, i);
    case DType::kI32: return stored<int32_t>(tensor, i);
    case DType::kI64: return static_cast<long double>(stored<int64_t>(tensor, i));
    case DType::kU8:
    case DType::kBool: return stored<uint8_t>(tensor, i);
    case DType::kU16: return stored<uint16_t>(tensor, i);
    case DType::kU32: return stored<uint32_t>(tensor, i);
    case DType::kU64: return static_cast<long double>(stored<uint64_t>(tensor, i));
    case DType::kI4: return sign_extended(packed(tensor, i, 4), 4);
    case DType::kU4: return packed(tensor, i, 4);
    case DType::kI2: return sign_extended(packed(tensor, i, 2), 2);
    case DType::kU2: return packed(tensor, i, 2);
    default: return f32_from_float8(tensor.dtype(), stored<uint8_t>(tensor, i));
  }
}

std::string number_text(DType dtype, AnyNumber number) {
  if (dtype == DType::kBool) return number.real() != 0 ? "true" : "false";
  if (is_integer(dtype)) return fmt::format("{:.0f}", number.real());
  const std::string real = fmt::format("{:.7g}", static_cast<double>(number.real()));
  if (dtype != DType::kC64 && dtype != DType::kC128) return real;
  return fmt::format("{}{:+.7g}i", real, static_cast<double>(number.imag()));
}

}  // namespace

bool holds_numbers(DType dtype) {
  return dtype != DType::kUndefined && !is_object(dtype) && !is_block_format(dtype);
}

AnyNumber number_at(const Tensor& tensor, int64_t i) {
  if (tensor.dtype() == DType::kC64) return AnyNumber(stored<std::complex<float>>(tensor, i));
  if (tensor.dtype() == DType::kC128) return AnyNumber(stored<std::complex<double>>(tensor, i));
  return real_at(tensor, i);
}

std::string element_text(const Tensor& tensor, int64_t i) {
  if (tensor.dtype() == DType::kString) return cli::quoted(strings_of(tensor)[static_cast<size_t>(i)]);
  if (is_container(tensor.dtype())) return type_text(elements_of(tensor)[static_cast<size_t>(i)]);
  return number_text(tensor.dtype(), number_at(tensor, i));
}

std::string type_text(const Tensor& tensor) {
  switch (tensor.dtype()) {
    case DType::kUndefined: return "nothing";
    case DType::kSequence: return fmt::format("sequence of {}", tensor.count());
    case DType::kMap: return fmt::format("map of {}", elements_of(tensor)[0].count());
    case DType::kOptional:
      return tensor.count() == 0 ? "optional, empty"
                                 : fmt::format("optional of {}", type_text(elements_of(tensor)[0]));
    default: return std::string(dtype_name(tensor.dtype())) + to_string(tensor.dims());
  }
}

std::vector<int64_t> place_of(const Dims& dims, int64_t i) {
  std::vector<int64_t> place(dims.size());
  for (size_t axis = dims.size(); axis-- > 0;) {
    place[axis] = i % dims[axis];
    i /= dims[axis];
  }
  return place;
}

}  // namespace oag::cli
