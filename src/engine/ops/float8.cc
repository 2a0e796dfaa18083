#include "engine/ops/float8.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace oag {
namespace {

struct Layout {
  int mantissa_bits;
  int bias;
  uint8_t largest;   // finite, sign cleared
  uint8_t infinity;  // 0: the type has none
  uint8_t nan;       // sign cleared, or 0x80 itself
};

constexpr Layout layout(DType dtype) {
  switch (dtype) {
    case DType::kF8E4M3FN: return {3, 7, 0x7e, 0, 0x7f};
    case DType::kF8E4M3FNUZ: return {3, 8, 0x7f, 0, 0x80};
    case DType::kF8E5M2: return {2, 15, 0x7b, 0x7c, 0x7f};
    default: return {2, 16, 0x7f, 0, 0x80};  // E5M2FNUZ
  }
}

float magnitude_of(const Layout& type, uint8_t bits) {
  const int exponent = bits >> type.mantissa_bits;
  const int mantissa = bits & ((1 << type.mantissa_bits) - 1);
  const int implicit = exponent > 0 ? 1 << type.mantissa_bits : 0;
  return std::ldexp(static_cast<float>(mantissa + implicit),
                    std::max(exponent, 1) - type.bias - type.mantissa_bits);
}

}  // namespace

float f32_from_float8(DType dtype, uint8_t byte) {
  const Layout type = layout(dtype);
  const auto bits = static_cast<uint8_t>(byte & 0x7f);
  if (type.nan == 0x80 ? byte == 0x80 : bits > std::max(type.largest, type.infinity)) {
    return std::numeric_limits<float>::quiet_NaN();
  }
  const float magnitude = type.infinity != 0 && bits == type.infinity ? std::numeric_limits<float>::infinity()
                                                                      : magnitude_of(type, bits);
  return (byte & 0x80) != 0 ? -magnitude : magnitude;
}

uint8_t float8_from_double(DType dtype, double value, bool saturate) {
  const Layout type = layout(dtype);
  const bool has_negative_zero = type.nan != 0x80;
  const auto sign = static_cast<uint8_t>(std::signbit(value) ? 0x80 : 0);
  const auto signed_bits = [&](uint8_t bits) {
    return static_cast<uint8_t>(bits == 0 && !has_negative_zero ? 0 : bits | sign);
  };
  if (std::isnan(value)) return signed_bits(type.nan);
  const double magnitude = std::abs(value);
  const auto overflow = [&] {
    return signed_bits(saturate ? type.largest : type.infinity != 0 ? type.infinity : type.nan);
  };
  if (std::isinf(value)) return overflow();
  // One unit of the last place at this magnitude; below the normal range it stays that of the smallest
  // exponent.
  int exponent = 0;
  std::frexp(magnitude, &exponent);
  const int unit = std::max(exponent - 1, 1 - type.bias) - type.mantissa_bits;
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(magnitude, -unit)), unit);
  if (rounded > static_cast<double>(magnitude_of(type, type.largest))) return overflow();
  std::frexp(rounded, &exponent);
  const int stored = rounded == 0 ? 0 : std::max(exponent - 1 + type.bias, 0);
  const int final_unit = std::max(stored, 1) - type.bias - type.mantissa_bits;
  const int mantissa = static_cast<int>(std::ldexp(rounded, -final_unit)) & ((1 << type.mantissa_bits) - 1);
  return signed_bits(static_cast<uint8_t>((stored << type.mantissa_bits) | mantissa));
}

}  // namespace oag
