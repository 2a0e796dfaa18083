#pragma once

#include <bit>
#include <cstdint>

namespace oag {

// e^x for x <= 0, within 3e-7 of it; e^-87, as good as nothing, for NaN and below -87. Bits instead of a
// choice, and terms instead of a loop over them, so that g++ 12 makes vectors of loops that call it. e^x =
// 2^n · e^r with |r| <= ln 2 / 2; the polynomial is the Taylor series of e^r.
inline float exp_of(float x) {
  const uint32_t keep = x > -87.0f ? ~uint32_t{0} : 0;
  x = std::bit_cast<float>((std::bit_cast<uint32_t>(x) & keep) | (std::bit_cast<uint32_t>(-87.0f) & ~keep));
  constexpr float kRound = 12582912.0f;  // 1.5 · 2^23: adding it leaves whole numbers
  const float n = (x * 1.44269504f + kRound) - kRound;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.0f / 5040.0f;
  p = p * r + 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  return p * std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
}

}  // namespace oag
