#include "engine/ops/float8.h"

#include <algorithm>
#include <array>
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

constexpr uint8_t kE8M0NaN = 0xff;
constexpr int kE8M0Bias = 127, kE8M0Largest = 0xfe;

constexpr std::array<float, 8> kFloat4Magnitudes = {0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f};

}  // namespace

float f32_from_float8(DType dtype, uint8_t byte) {
  if (dtype == DType::kF8E8M0) {
    return byte == kE8M0NaN ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0f, byte - kE8M0Bias);
  }
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
  if (dtype == DType::kF8E8M0) return e8m0_from_double(value, saturate, PowerRounding::kUp);
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

uint8_t e8m0_from_double(double value, bool saturate, PowerRounding rounding) {
  if (!std::isfinite(value)) return kE8M0NaN;
  const double magnitude = std::abs(value);
  if (magnitude <= std::ldexp(1.0, -kE8M0Bias)) return 0;
  int exponent = 0;
  const double fraction = std::frexp(magnitude, &exponent);  // of [0.5, 1)
  const bool up = rounding == PowerRounding::kUp ? fraction > 0.5
                                                 : rounding == PowerRounding::kNearest && fraction >= 0.75;
  const int code = exponent - 1 + kE8M0Bias + (up ? 1 : 0);
  if (code > kE8M0Largest) return saturate ? static_cast<uint8_t>(kE8M0Largest) : kE8M0NaN;
  return static_cast<uint8_t>(code);
}

float f32_from_float4(uint8_t code) {
  const float magnitude = kFloat4Magnitudes[code & 7u];
  return (code & 8u) != 0 ? -magnitude : magnitude;
}

uint8_t float4_from_double(double value) {
  if (std::isnan(value)) return 8;
  const double magnitude = std::abs(value);
  size_t best = 0;
  for (size_t code = 1; code < kFloat4Magnitudes.size(); ++code) {
    const double nearer = std::abs(magnitude - static_cast<double>(kFloat4Magnitudes[code])) -
                          std::abs(magnitude - static_cast<double>(kFloat4Magnitudes[best]));
    if (nearer < 0 || (nearer == 0 && code % 2 == 0) || std::isinf(magnitude)) best = code;
  }
  return static_cast<uint8_t>(best | (std::signbit(value) ? 8u : 0u));
}

}  // namespace oag
