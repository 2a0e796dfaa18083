// Products with 8-bit weights in two planes; split_weights.h has the layout.
#include "engine/backends/cpu/kernels/vec.h"
#include "engine/backends/cpu/split_panel.h"

namespace oag::cpu::OAG_ISA {
namespace {

Bytes bytes_at(const uint8_t* at) {
  Bytes bytes;
  memcpy(&bytes, at, sizeof bytes);
  return bytes;
}

template <bool kBoth>
Bytes levels_at(const uint8_t* high, const uint8_t* low, int step) {
  constexpr int kVector = 4 * kLanes;
  const auto shift = static_cast<uint8_t>(step), pair = static_cast<uint8_t>(2 * (step % 4));
  const Bytes nibbles = bytes_at(high + step % 4 * kVector);
  Bytes levels = step < 4 ? nibbles << 4 : nibbles & 0xf0;
  levels |= (bytes_at(high + 4 * kVector) >> shift & 1) << 3;
  if (kBoth) {
    levels |= bytes_at(low + step / 4 * kVector) >> pair & 3;
    levels |= (bytes_at(low + 2 * kVector) >> shift & 1) << 2;
  }
  return kSignedLevels ? levels ^ 0x80 : levels;
}

// The operations of packed_dot for 8-bit levels, in its order.
template <bool kBoth, int T>
void dot_panel(const SplitPanel& panel, const uint8_t* x, float* y) {
  const uint8_t *high = panel.high, *low = panel.low;
  F acc[T];
  for (int t = 0; t < T; ++t) acc[t] = zero();
  for (int64_t b = 0; b < panel.inputs / 32; ++b) {
    const auto* q = reinterpret_cast<const int8_t*>(x);
    const auto* x_scales = reinterpret_cast<const float*>(x + 32 * T);
    LevelDot<8> dot[T];
#pragma GCC unroll 8
    for (int step = 0; step < 8; ++step) {
      const Bytes levels = levels_at<kBoth>(high, low, step);
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) dot[t].add(levels, q + (step * T + t) * 4);
      if ((step + 1) % LevelDot<8>::kSteps == 0) {
#pragma GCC unroll 8
        for (int t = 0; t < T; ++t) dot[t].flush();
      }
    }
    const F scale = load_f16(reinterpret_cast<const uint16_t*>(high + 20 * kLanes));
    const F least = mul(scale, splat((kSignedLevels ? 0.0f : -128.0f) + (kBoth ? 0.0f : 3.5f)));
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      acc[t] = mul_add(dot[t].value(), mul(scale, splat(x_scales[t])), acc[t]);
      acc[t] = mul_add(least, splat(x_scales[T + t]), acc[t]);
    }
    high += 22 * kLanes;
    if (kBoth) low += 12 * kLanes;
    x += kActivationBytes * T;
  }
  for (int t = 0; t < T; ++t) store(y + t * kLanes, acc[t]);
}

template <bool kBoth>
void dot_tokens(const SplitPanel& panel, const uint8_t* x, int tokens, float* y) {
  switch (tokens) {
    case 1: return dot_panel<kBoth, 1>(panel, x, y);
    case 2: return dot_panel<kBoth, 2>(panel, x, y);
    case 3: return dot_panel<kBoth, 3>(panel, x, y);
    case 4: return dot_panel<kBoth, 4>(panel, x, y);
    default: break;
  }
  if constexpr (kTileTokens == 8) {
    switch (tokens) {
      case 5: return dot_panel<kBoth, 5>(panel, x, y);
      case 6: return dot_panel<kBoth, 6>(panel, x, y);
      case 7: return dot_panel<kBoth, 7>(panel, x, y);
      default: break;
    }
  }
  dot_panel<kBoth, kTileTokens>(panel, x, y);
}

}  // namespace

extern const bool kSplitSigned;
constinit const bool kSplitSigned = kSignedLevels;

void split_dot(const SplitPanel& panel, const uint8_t* tile, int tokens, float* y);
void split_dot(const SplitPanel& panel, const uint8_t* tile, int tokens, float* y) {
  if (panel.low != nullptr) return dot_tokens<true>(panel, tile, tokens, y);
  dot_tokens<false>(panel, tile, tokens, y);
}

}  // namespace oag::cpu::OAG_ISA
