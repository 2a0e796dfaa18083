#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "engine/tensor/float16.h"
#include "engine/tensor/quantize_families.h"

// One rounding per written operation, in the order of the formats' definitions: that is what makes the bytes
// equal to those of other writers.

namespace oag::quantize {
namespace {

constexpr int kBlock = 32;

void store_f16(uint8_t* to, float value) {
  const uint16_t bits = f16_from_f32(value);
  std::memcpy(to, &bits, sizeof bits);
}

// 1 / scale, or 0 where the scale is zero or so small that its inverse overflows (f16 stores it as zero
// then).
OAG_INLINE float inverse_or_zero(float scale) {
  const float inverse = 1.0f / scale;
  return std::isfinite(inverse) ? inverse : 0.0f;
}

struct Range {
  float low, high;
};

template <int W>
OAG_INLINE Range range_of(const float* values) {
  Floats<W> low = load<W>(values), high = low;
  for (int j = W; j < kBlock; j += W) {
    const Floats<W> value = load<W>(values + j);
    low = least<W>(value, low);
    high = greatest<W>(value, high);
  }
  alignas(64) float lows[W], highs[W];
  store<W>(lows, low);
  store<W>(highs, high);
  for (int half = W / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) {
      lows[i] = std::min(lows[i], lows[i + half]);
      highs[i] = std::max(highs[i], highs[i + half]);
    }
  }
  return {lows[0], highs[0]};
}

// The value of largest magnitude, with its sign; the first one on a tie.
OAG_INLINE float signed_extreme(const float* values, Range range) {
  if (range.high > -range.low) return range.high;
  if (range.high < -range.low) return range.low;
  for (int j = 0; j < kBlock; ++j) {
    if (std::fabs(values[j]) == range.high) return values[j];
  }
  return range.high;
}

// trunc((values - base) * inverse + offset), cut to 0..top.
template <int W>
OAG_INLINE void find_levels(const float* values, float base, float inverse, float offset, float top,
                            int32_t* levels) {
  for (int j = 0; j < kBlock; j += W) {
    const Floats<W> scaled = (load<W>(values + j) - base) * inverse + offset;
    const Floats<W> cut = least<W>(greatest<W>(scaled, Floats<W>{}), splat<W>(top));
    const Ints<W> whole = __builtin_convertvector(cut, Ints<W>);
    __builtin_memcpy(levels + j, &whole, sizeof whole);
  }
}

// Values j and j + 16 share byte j.
OAG_INLINE void pack_nibbles(const int32_t* levels, uint8_t* packed) {
  for (int j = 0; j < 16; ++j)
    packed[j] = static_cast<uint8_t>((levels[j] & 15) | (levels[j + 16] & 15) << 4);
}

OAG_INLINE void store_fifth_bits(const int32_t* levels, uint8_t* to) {
  uint32_t bits = 0;
  for (int j = 0; j < kBlock; ++j) bits |= static_cast<uint32_t>(levels[j] >> 4) << j;
  std::memcpy(to, &bits, sizeof bits);
}

// q4_0, q5_0: the extreme value is stored as -kMiddle.
template <int kMiddle>
struct Symmetric {
  template <int W>
  static OAG_INLINE void run(const float* values, size_t blocks, uint8_t* out) {
    for (size_t i = 0; i < blocks; ++i, values += kBlock) {
      const float scale = signed_extreme(values, range_of<W>(values)) / -kMiddle;
      alignas(64) int32_t levels[kBlock];
      find_levels<W>(values, 0.0f, inverse_or_zero(scale), kMiddle + 0.5f, 2 * kMiddle - 1, levels);
      store_f16(out, scale);
      out += 2;
      if constexpr (kMiddle == 16) {
        store_fifth_bits(levels, out);
        out += 4;
      }
      pack_nibbles(levels, out);
      out += 16;
    }
  }
};

// q4_1, q5_1: the range from least to greatest value is cut into kTop steps.
template <int kTop>
struct WholeRange {
  template <int W>
  static OAG_INLINE void run(const float* values, size_t blocks, uint8_t* out) {
    for (size_t i = 0; i < blocks; ++i, values += kBlock) {
      const Range range = range_of<W>(values);
      const float scale = (range.high - range.low) / kTop;
      alignas(64) int32_t levels[kBlock];
      find_levels<W>(values, range.low, inverse_or_zero(scale), 0.5f, kTop, levels);
      store_f16(out, scale);
      store_f16(out + 2, range.low);
      out += 4;
      if constexpr (kTop == 31) {
        store_fifth_bits(levels, out);
        out += 4;
      }
      pack_nibbles(levels, out);
      out += 16;
    }
  }
};

struct Q80 {
  template <int W>
  static OAG_INLINE void run(const float* values, size_t blocks, uint8_t* out) {
    for (size_t i = 0; i < blocks; ++i, values += kBlock, out += 34) {
      const Range range = range_of<W>(values);
      const float scale = std::max(range.high, -range.low) / 127.0f;
      const float inverse = inverse_or_zero(scale);
      alignas(64) int32_t levels[kBlock];
      for (int j = 0; j < kBlock; j += W) {
        const Floats<W> scaled = load<W>(values + j) * inverse;
        const Floats<W> size = least<W>(scaled < 0.0f ? -scaled : scaled, splat<W>(127.0f));
        // Halves away from zero, as the format's definition rounds.
        const Ints<W> whole = __builtin_convertvector(size, Ints<W>);
        const Floats<W> fraction = size - __builtin_convertvector(whole, Floats<W>);
        const Ints<W> rounded = whole + __builtin_convertvector(fraction + fraction, Ints<W>);
        const Ints<W> level = scaled < 0.0f ? -rounded : rounded;
        __builtin_memcpy(levels + j, &level, sizeof level);
      }
      store_f16(out, scale);
      for (int j = 0; j < kBlock; ++j) out[2 + j] = static_cast<uint8_t>(levels[j]);
    }
  }
};

struct F32 {
  template <int W>
  static OAG_INLINE void run(const float* values, size_t blocks, uint8_t* out) {
    if (blocks > 0) std::memcpy(out, values, blocks * sizeof(float));
  }
};

// f16_from_f32 without branches, so that a loop over it runs on vectors.
OAG_INLINE uint16_t f16_selected(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  const uint32_t tiny = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
  const uint32_t normal = (magnitude + 0xfffu + (magnitude >> 13 & 1u) - 0x38000000u) >> 13;
  const uint32_t finite = magnitude < 0x38800000u ? tiny : normal;
  const uint32_t large = magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u;
  return static_cast<uint16_t>(sign | (magnitude >= 0x477ff000u ? large : finite));
}

OAG_INLINE uint16_t bf16_selected(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? (bits >> 16 | 0x40u) : rounded);
}

template <bool kIsF16>
struct Half {
  template <int W>
  static OAG_INLINE void run(const float* values, size_t blocks, uint8_t* out) {
    for (size_t i = 0; i < blocks; i += kBlock) {
      const size_t count = std::min<size_t>(kBlock, blocks - i);
      uint16_t halves[kBlock];
      if (count == kBlock) {
        for (int j = 0; j < kBlock; ++j)
          halves[j] = kIsF16 ? f16_selected(values[i + static_cast<size_t>(j)])
                             : bf16_selected(values[i + static_cast<size_t>(j)]);
      } else {
        for (size_t j = 0; j < count; ++j)
          halves[j] = kIsF16 ? f16_selected(values[i + j]) : bf16_selected(values[i + j]);
      }
      std::memcpy(out + i * sizeof(uint16_t), halves, count * sizeof(uint16_t));
    }
  }
};

}  // namespace

Kernel legacy_kernel(DType dtype, int lanes) {
  switch (dtype) {
    case DType::kF32: return kernel_for<F32>(lanes);
    case DType::kF16: return kernel_for<Half<true>>(lanes);
    case DType::kBF16: return kernel_for<Half<false>>(lanes);
    case DType::kQ4_0: return kernel_for<Symmetric<8>>(lanes);
    case DType::kQ4_1: return kernel_for<WholeRange<15>>(lanes);
    case DType::kQ5_0: return kernel_for<Symmetric<16>>(lanes);
    case DType::kQ5_1: return kernel_for<WholeRange<31>>(lanes);
    case DType::kQ8_0: return kernel_for<Q80>(lanes);
    default: return nullptr;
  }
}

}  // namespace oag::quantize
