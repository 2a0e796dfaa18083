#include "engine/ops/element.h"

#include <algorithm>
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
using E8M0 = Float8<DType::kF8E8M0>;

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

// Element `at` of a packed type: the first of a byte has its lowest bits.
struct PackedPlace {
  PackedPlace(DType dtype, int64_t at) {
    const auto per_byte = static_cast<int64_t>(dtype_info(dtype).block_values);
    const int bits = 8 / static_cast<int>(per_byte);
    byte = static_cast<size_t>(at / per_byte);
    shift = static_cast<int>(at % per_byte) * bits;
    mask = (1 << bits) - 1;
  }
  size_t byte;
  int shift, mask;
};

uint8_t load_code(const Tensor& tensor, int64_t at) {
  const PackedPlace place(tensor.dtype(), at);
  return static_cast<uint8_t>((static_cast<int>(tensor.data()[place.byte]) >> place.shift) & place.mask);
}

void store_code(const Tensor& tensor, int64_t at, int code) {
  const PackedPlace place(tensor.dtype(), at);
  std::byte& byte = tensor.data()[place.byte];
  byte = static_cast<std::byte>((static_cast<int>(byte) & ~(place.mask << place.shift)) |
                                ((code & place.mask) << place.shift));
}

template <typename Wide>
Wide widen_code(DType dtype, uint8_t code) {
  switch (dtype) {
    case DType::kI4: return static_cast<Wide>((code ^ 8) - 8);  // sign extended
    case DType::kI2: return static_cast<Wide>((code ^ 2) - 2);
    case DType::kF4E2M1: return widen<Wide>(f32_from_float4(code));
    default: return static_cast<Wide>(code);
  }
}

template <typename Wide>
int narrow_code(DType dtype, Wide wide) {
  if (dtype == DType::kF4E2M1) return float4_from_double(static_cast<double>(wide));
  if constexpr (std::is_integral_v<Wide>) {
    return static_cast<int>(static_cast<uint64_t>(wide) & 0xf);
  } else {
    return narrow_code(dtype, integer_from_float<int64_t>(wide));
  }
}

template <typename Wide>
void load_packed(const Tensor& tensor, int64_t at, int64_t step, std::span<Wide> out) {
  for (Wide& value : out) {
    value = widen_code<Wide>(tensor.dtype(), load_code(tensor, at));
    at += step;
  }
}

template <typename Wide>
void store_packed(const Tensor& tensor, int64_t at, int64_t step, std::span<const Wide> values) {
  for (const Wide value : values) {
    store_code(tensor, at, narrow_code(tensor.dtype(), value));
    at += step;
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
    case DType::kF8E5M2FNUZ:
    case DType::kF8E8M0:
    case DType::kF4E2M1: return WideKind::kFloat;
    case DType::kI4:
    case DType::kI2:
    case DType::kI8:
    case DType::kI16:
    case DType::kI32:
    case DType::kI64: return WideKind::kSigned;
    case DType::kU4:
    case DType::kU2:
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
  if (is_packed(tensor.dtype())) return load_packed(tensor, start, step, out);
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
    case DType::kF8E8M0: return load_as<E8M0>(data, step, out);
    default: refuse_type(tensor.dtype());
  }
}

template <typename Wide>
void store_elements(const Tensor& tensor, int64_t start, int64_t step, std::span<const Wide> values) {
  if (values.empty()) return;
  if (is_packed(tensor.dtype())) return store_packed(tensor, start, step, values);
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
    case DType::kF8E8M0: return store_as<E8M0>(data, step, values);
    default: refuse_type(tensor.dtype());
  }
}

Tensor unpack_codes(const Tensor& packed) {
  const Tensor codes = Tensor::host(DType::kU8, packed.dims());
  for (int64_t i = 0; i < codes.count(); ++i)
    codes.values<uint8_t>()[static_cast<size_t>(i)] = load_code(packed, i);
  return codes;
}

void pack_codes(const Tensor& codes, const Tensor& packed) {
  std::fill(packed.bytes().begin(), packed.bytes().end(), std::byte{0});
  for (int64_t i = 0; i < codes.count(); ++i)
    store_code(packed, i, codes.values<uint8_t>()[static_cast<size_t>(i)]);
}

Tensor zero_element(DType dtype) {
  const Tensor zero = Tensor::host(dtype, {});
  if (!is_object(dtype)) std::fill(zero.bytes().begin(), zero.bytes().end(), std::byte{0});
  return zero;
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
