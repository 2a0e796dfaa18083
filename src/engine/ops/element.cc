#include "engine/ops/element.h"

#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

#include "base/error.h"
#include "engine/ops/float8.h"
#include "engine/tensor/float16.h"

namespace oag {
namespace {

struct Half {
  uint16_t bits;
};
struct BFloat {
  uint16_t bits;
};
struct Bool {
  uint8_t byte;
};
template <DType kType>
struct Float8 {
  static constexpr DType kDType = kType;
  uint8_t byte;
};
using E4M3FN = Float8<DType::kF8E4M3FN>;
using E4M3FNUZ = Float8<DType::kF8E4M3FNUZ>;
using E5M2 = Float8<DType::kF8E5M2>;
using E5M2FNUZ = Float8<DType::kF8E5M2FNUZ>;

template <typename Wide, typename Stored>
Wide integer_from_float(Stored value) {
  using Limits = std::numeric_limits<Wide>;
  const auto wide = static_cast<double>(value);
  if (std::isnan(wide)) return 0;
  if (wide <= static_cast<double>(Limits::min())) return Limits::min();
  // The maximum itself is no double: the next power of two is.
  if (wide >= std::ldexp(1.0, Limits::digits)) return Limits::max();
  return static_cast<Wide>(wide);
}

// A double that rounds to 24 bits or fewer as the integer does: past 2^53 the lowest bits become one sticky
// bit.
template <typename Integer>
double sticky_double(Integer value) {
  constexpr uint64_t kLow = 0x7ff;
  const bool negative = value < 0;
  uint64_t magnitude = negative ? uint64_t{0} - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  if (magnitude >> 53) magnitude = (magnitude & ~kLow) | ((magnitude & kLow) != 0 ? kLow + 1 : 0);
  const auto wide = static_cast<double>(magnitude);
  return negative ? -wide : wide;
}

template <typename Wide, typename Stored>
Wide widen(Stored stored) {
  if constexpr (std::is_same_v<Stored, Half>) {
    return widen<Wide>(f32_from_f16(stored.bits));
  } else if constexpr (std::is_same_v<Stored, BFloat>) {
    return widen<Wide>(f32_from_bf16(stored.bits));
  } else if constexpr (std::is_same_v<Stored, Bool>) {
    return static_cast<Wide>(stored.byte != 0 ? 1 : 0);
  } else if constexpr (requires { Stored::kDType; }) {
    return widen<Wide>(f32_from_float8(Stored::kDType, stored.byte));
  } else if constexpr (std::is_floating_point_v<Stored> && std::is_integral_v<Wide>) {
    return integer_from_float<Wide>(stored);
  } else {
    return static_cast<Wide>(stored);
  }
}

template <typename Stored, typename Wide>
Stored narrow(Wide wide) {
  if constexpr (std::is_same_v<Stored, Bool>) {
    return Bool{static_cast<uint8_t>(wide != 0 ? 1 : 0)};
  } else if constexpr (std::is_integral_v<Stored> && std::is_floating_point_v<Wide>) {
    using Limits = std::numeric_limits<Stored>;
    if (std::isnan(wide)) return 0;
    if (wide <= static_cast<double>(Limits::min())) return Limits::min();
    if (wide >= std::ldexp(1.0, Limits::digits)) return Limits::max();
    return static_cast<Stored>(wide);
  } else if constexpr (std::is_same_v<Stored, Half> || std::is_same_v<Stored, BFloat>) {
    if constexpr (std::is_integral_v<Wide>) {
      return narrow<Stored>(sticky_double(wide));
    } else {
      const float value = narrow_to_odd(wide);
      return Stored{std::is_same_v<Stored, Half> ? f16_from_f32(value) : bf16_from_f32(value)};
    }
  } else if constexpr (requires { Stored::kDType; }) {
    return Stored{float8_from_double(Stored::kDType, static_cast<double>(wide), true)};
  } else {
    return static_cast<Stored>(wide);
  }
}

template <typename Stored, typename Wide>
void load_as(const std::byte* data, int64_t step, std::span<Wide> out) {
  const auto* element = reinterpret_cast<const Stored*>(data);
  for (Wide& value : out) {
    value = widen<Wide>(*element);
    element += step;
  }
}

template <typename Stored, typename Wide>
void store_as(std::byte* data, int64_t step, std::span<const Wide> values) {
  auto* element = reinterpret_cast<Stored*>(data);
  for (const Wide value : values) {
    *element = narrow<Stored>(value);
    element += step;
  }
}

[[noreturn]] void refuse_type(DType dtype) {
  fail(ErrorCode::kUnsupported, dtype_name(dtype), "reference kernels do no arithmetic on this element type");
}

}  // namespace

WideKind wide_kind(DType dtype) {
  switch (dtype) {
    case DType::kF32:
    case DType::kF64:
    case DType::kF16:
    case DType::kBF16:
    case DType::kF8E4M3FN:
    case DType::kF8E4M3FNUZ:
    case DType::kF8E5M2:
    case DType::kF8E5M2FNUZ: return WideKind::kFloat;
    case DType::kI8:
    case DType::kI16:
    case DType::kI32:
    case DType::kI64: return WideKind::kSigned;
    case DType::kU8:
    case DType::kU16:
    case DType::kU32:
    case DType::kU64:
    case DType::kBool: return WideKind::kUnsigned;
    default: refuse_type(dtype);
  }
}

float narrow_to_odd(double value) {
  const auto nearest = static_cast<float>(value);
  if (std::isnan(value) || static_cast<double>(nearest) == value) return nearest;
  auto bits = std::bit_cast<uint32_t>(nearest);
  if (std::abs(static_cast<double>(nearest)) > std::abs(value)) --bits;  // towards zero
  return std::bit_cast<float>(bits | 1u);
}

template <typename Wide>
void load_elements(const Tensor& tensor, int64_t start, int64_t step, std::span<Wide> out) {
  if (out.empty()) return;
  const size_t width = dtype_info(tensor.dtype()).block_bytes;
  const std::byte* data = tensor.data() + start * static_cast<int64_t>(width);
  switch (tensor.dtype()) {
    case DType::kF32: return load_as<float>(data, step, out);
    case DType::kF64: return load_as<double>(data, step, out);
    case DType::kF16: return load_as<Half>(data, step, out);
    case DType::kBF16: return load_as<BFloat>(data, step, out);
    case DType::kI8: return load_as<int8_t>(data, step, out);
    case DType::kI16: return load_as<int16_t>(data, step, out);
    case DType::kI32: return load_as<int32_t>(data, step, out);
    case DType::kI64: return load_as<int64_t>(data, step, out);
    case DType::kU8: return load_as<uint8_t>(data, step, out);
    case DType::kU16: return load_as<uint16_t>(data, step, out);
    case DType::kU32: return load_as<uint32_t>(data, step, out);
    case DType::kU64: return load_as<uint64_t>(data, step, out);
    case DType::kBool: return load_as<Bool>(data, step, out);
    case DType::kF8E4M3FN: return load_as<E4M3FN>(data, step, out);
    case DType::kF8E4M3FNUZ: return load_as<E4M3FNUZ>(data, step, out);
    case DType::kF8E5M2: return load_as<E5M2>(data, step, out);
    case DType::kF8E5M2FNUZ: return load_as<E5M2FNUZ>(data, step, out);
    default: refuse_type(tensor.dtype());
  }
}

template <typename Wide>
void store_elements(const Tensor& tensor, int64_t start, int64_t step, std::span<const Wide> values) {
  if (values.empty()) return;
  const size_t width = dtype_info(tensor.dtype()).block_bytes;
  std::byte* data = tensor.data() + start * static_cast<int64_t>(width);
  switch (tensor.dtype()) {
    case DType::kF32: return store_as<float>(data, step, values);
    case DType::kF64: return store_as<double>(data, step, values);
    case DType::kF16: return store_as<Half>(data, step, values);
    case DType::kBF16: return store_as<BFloat>(data, step, values);
    case DType::kI8: return store_as<int8_t>(data, step, values);
    case DType::kI16: return store_as<int16_t>(data, step, values);
    case DType::kI32: return store_as<int32_t>(data, step, values);
    case DType::kI64: return store_as<int64_t>(data, step, values);
    case DType::kU8: return store_as<uint8_t>(data, step, values);
    case DType::kU16: return store_as<uint16_t>(data, step, values);
    case DType::kU32: return store_as<uint32_t>(data, step, values);
    case DType::kU64: return store_as<uint64_t>(data, step, values);
    case DType::kBool: return store_as<Bool>(data, step, values);
    case DType::kF8E4M3FN: return store_as<E4M3FN>(data, step, values);
    case DType::kF8E4M3FNUZ: return store_as<E4M3FNUZ>(data, step, values);
    case DType::kF8E5M2: return store_as<E5M2>(data, step, values);
    case DType::kF8E5M2FNUZ: return store_as<E5M2FNUZ>(data, step, values);
    default: refuse_type(tensor.dtype());
  }
}

std::vector<int64_t> read_integers(const Tensor& tensor) {
  std::vector<int64_t> values(static_cast<size_t>(tensor.count()));
  load_elements<int64_t>(tensor, 0, 1, values);
  return values;
}

template void load_elements(const Tensor&, int64_t, int64_t, std::span<double>);
template void load_elements(const Tensor&, int64_t, int64_t, std::span<int64_t>);
template void load_elements(const Tensor&, int64_t, int64_t, std::span<uint64_t>);
template void store_elements(const Tensor&, int64_t, int64_t, std::span<const double>);
template void store_elements(const Tensor&, int64_t, int64_t, std::span<const int64_t>);
template void store_elements(const Tensor&, int64_t, int64_t, std::span<const uint64_t>);

}  // namespace oag
