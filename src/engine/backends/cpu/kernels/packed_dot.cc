// Products of packed block-format rows with quantised activations, the packing of the former and the
// quantisation of the latter. micro_kernels.h describes both layouts.
#include "engine/backends/cpu/kernels/functions.h"
#include "engine/backends/cpu/kernels/vec.h"

namespace oag::cpu::OAG_ISA {
namespace {

constexpr int64_t kSteps = 8;  // of four values in a block of 32

// --- packing

// Unpacked rows of one panel.
struct LevelRows {
  const uint8_t* levels;  // [rows, inputs]
  const float* scales;    // [rows, groups in a row]
  const float* leasts;    // the same
};

uint32_t four_levels(const uint8_t* p) {
  uint32_t four;
  memcpy(&four, p, sizeof four);
  return four;
}

void pack_levels(int bits, const uint8_t* levels, int row, uint8_t* record) {
  const auto put = [&](int vector, uint32_t four) {
    memcpy(record + (vector * kLanes + row) * 4, &four, sizeof four);
  };
  uint32_t high[2] = {0, 0};
  for (int step = 0; step < 8; ++step) {
    const uint32_t four = four_levels(levels + 4 * step);
    if (bits == 8) {
      put(step, kSignedLevels ? four : four ^ 0x80808080u);
      continue;
    }
    if (step < 4) put(step, (four & 0x0f0f0f0fu) | (four_levels(levels + 4 * step + 16) & 0x0f0f0f0fu) << 4);
    high[step / 4] |= (four >> 4 & 0x03030303u) << 2 * (step % 4);
  }
  if (bits != 6) return;
  put(4, high[0]);
  put(5, high[1]);
}

void pack_numbers(bool f16, const float* from, int64_t stride, int rows, uint8_t* to) {
  float values[kLanes];
  for (int r = 0; r < kLanes; ++r) values[r] = r < rows ? from[r * stride] : 0.0f;
  if (!f16) return (void)memcpy(to, values, sizeof values);
  uint16_t halves[kLanes];
  store_f16(halves, load(values));
  memcpy(to, halves, sizeof halves);
}

// --- products

template <int kBits>
struct Levels;
template <>
struct Levels<4> {
  static Bytes at(const uint8_t* record, int step) {
    Bytes both;
    memcpy(&both, record + step % 4 * static_cast<int>(sizeof both), sizeof both);
    return step < 4 ? both & 15 : both >> 4;
  }
};
template <>
struct Levels<6> {
  static Bytes at(const uint8_t* record, int step) {
    Bytes high;
    memcpy(&high, record + (4 + step / 4) * static_cast<int>(sizeof high), sizeof high);
    const Bytes top = high >> static_cast<uint8_t>(2 * (step % 4)) & 3;
    return Levels<4>::at(record, step) | top << 4;
  }
};
template <>
struct Levels<8> {
  static Bytes at(const uint8_t* record, int step) {
    Bytes levels;
    memcpy(&levels, record + step * static_cast<int>(sizeof levels), sizeof levels);
    return levels;
  }
};

// One panel by T tokens. Each output takes its groups in order, scale before least: the same operations
// whatever T is.
template <int kBits, int kGroups, int T>
void dot_panel(const PackedRows& w, const uint8_t* record, const uint8_t* x, F (&acc)[T]) {
  constexpr int64_t kNumbersAt = kLanes * 4 * kBits;
  const BlockFormat& format = *w.format;
  const int64_t number_bytes = kLanes * (format.f16_scales ? 2 : 4);
  for (int64_t b = 0; b < w.inputs / 32; ++b) {
    const auto* q = reinterpret_cast<const int8_t*>(x);
    const auto* x_scales = reinterpret_cast<const float*>(x + 32 * T);
    const uint8_t* numbers = record + kNumbersAt;
#pragma GCC unroll 2
    for (int g = 0; g < kGroups; ++g) {
      LevelDot<kBits> dot[T];
      constexpr int kGroupSteps = static_cast<int>(kSteps) / kGroups;
#pragma GCC unroll 8
      for (int s = 0; s < kGroupSteps; ++s) {
        const int step = g * kGroupSteps + s;
        const Bytes levels = Levels<kBits>::at(record, step);
#pragma GCC unroll 8
        for (int t = 0; t < T; ++t) dot[t].add(levels, q + (step * T + t) * 4);
        if ((s + 1) % LevelDot<kBits>::kSteps == 0 || s + 1 == kGroupSteps) {
#pragma GCC unroll 8
          for (int t = 0; t < T; ++t) dot[t].flush();
        }
      }
      const auto number = [&](int i) {
        const uint8_t* at = numbers + i * number_bytes;
        return format.f16_scales ? load_f16(reinterpret_cast<const uint16_t*>(at))
                                 : load(reinterpret_cast<const float*>(at));
      };
      const F scale = number(g);
      const F least = format.own_leasts ? number(kGroups + g) : mul(scale, splat(format.least_per_scale));
      const float* x_sums = x_scales + (kGroups == 1 ? 1 : 2 + g) * T;
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
        acc[t] = mul_add(dot[t].value(), mul(scale, splat(x_scales[t])), acc[t]);
        acc[t] = mul_add(least, splat(x_sums[t]), acc[t]);
      }
    }
    record += w.record_bytes;
    x += kActivationBytes * T;
  }
}

template <int kBits, int kGroups, int T>
void dot_panels(const PackedRows& w, int64_t panel, int64_t panels, const uint8_t* x, const float* bias,
                float* y, int64_t y_stride) {
  const int64_t panel_bytes = w.record_bytes * (w.inputs / 32);
  for (int64_t p = panel; p < panel + panels; ++p) {
    F acc[T];
    for (int t = 0; t < T; ++t) acc[t] = zero();
    dot_panel<kBits, kGroups, T>(w, w.panels + p * panel_bytes, x, acc);
    const int64_t row = p * kLanes, rows = w.rows - row;
    for (int t = 0; t < T; ++t) {
      float* out = y + t * y_stride + row;
      if (rows >= kLanes) {
        store(out, bias == nullptr ? acc[t] : add(acc[t], load(bias + row)));
      } else {
        float values[kLanes];
        store(values, acc[t]);
        for (int64_t r = 0; r < rows; ++r) out[r] = values[r] + (bias == nullptr ? 0.0f : bias[row + r]);
      }
    }
  }
}

using DotPanels = void (*)(const PackedRows&, int64_t, int64_t, const uint8_t*, const float*, float*,
                           int64_t);

template <int kBits, int kGroups>
DotPanels dot_panels_of(int tokens) {
  static_assert(kTileTokens <= 8);
  switch (tokens) {
    case 1: return dot_panels<kBits, kGroups, 1>;
    case 2: return dot_panels<kBits, kGroups, 2>;
    case 3: return dot_panels<kBits, kGroups, 3>;
    case 4: return dot_panels<kBits, kGroups, 4>;
    default: break;
  }
  if constexpr (kTileTokens == 8) {
    switch (tokens) {
      case 5: return dot_panels<kBits, kGroups, 5>;
      case 6: return dot_panels<kBits, kGroups, 6>;
      case 7: return dot_panels<kBits, kGroups, 7>;
      default: break;
    }
  }
  return dot_panels<kBits, kGroups, kTileTokens>;
}

// --- activations

struct QuantisedBlock {
  int8_t q[32];
  float scale;
  float sums[3];  // scale · Σq of all, of the first and of the last 16
};

void quantise_block(const float* values, QuantisedBlock& block) {
  F largest = zero(), poison = zero();
  for (int i = 0; i < 32; i += kLanes) {
    const F v = load(values + i);
    largest = max(abs(v), largest);
    poison = mul_add(v, zero(), poison);  // NaN once a value is not finite
  }
  const float top = max_lane(largest);
  // Below this the inverse would overflow; such a block counts as zero.
  const float inverse = top > 1e-35f ? 127.0f / top : 0.0f;
  block.scale = (top > 1e-35f ? top / 127.0f : 0.0f) + sum(poison);
  for (int i = 0; i < 32; i += kLanes)
    store_i8(block.q + i, max(mul(load(values + i), splat(inverse)), splat(-127.0f)));
  int first = 0, last = 0;
  for (int i = 0; i < 16; ++i) {
    first += block.q[i];
    last += block.q[16 + i];
  }
  block.sums[0] = block.scale * static_cast<float>(first + last);
  block.sums[1] = block.scale * static_cast<float>(first);
  block.sums[2] = block.scale * static_cast<float>(last);
}

}  // namespace

void pack_panel(const BlockFormat& format, const uint8_t* rows, int64_t stride, int row_count, int64_t inputs,
                uint8_t* scratch, uint8_t* panel) {
  const int64_t blocks = inputs / 32, groups = blocks * format.groups, padded_groups = padded(groups);
  auto* scales = reinterpret_cast<float*>(scratch);
  float* leasts = scales + kLanes * padded_groups;
  auto* levels = reinterpret_cast<uint8_t*>(leasts + kLanes * padded_groups);
  for (int r = 0; r < row_count; ++r) {
    format.unpack(rows + r * stride, inputs, levels + r * inputs, scales + r * padded_groups,
                  leasts + r * padded_groups);
  }
  const int64_t number_bytes = kLanes * (format.f16_scales ? 2 : 4), bytes = record_bytes(format, kLanes);
  memset(panel, 0, static_cast<size_t>(bytes * blocks));
  for (int64_t b = 0; b < blocks; ++b, panel += bytes) {
    for (int r = 0; r < row_count; ++r) pack_levels(format.bits, levels + r * inputs + 32 * b, r, panel);
    uint8_t* numbers = panel + kLanes * 4 * format.bits;
    for (int g = 0; g < format.groups; ++g) {
      const int64_t at = b * format.groups + g;
      pack_numbers(format.f16_scales, scales + at, padded_groups, row_count, numbers + g * number_bytes);
      if (format.own_leasts) {
        pack_numbers(format.f16_scales, leasts + at, padded_groups, row_count,
                     numbers + (format.groups + g) * number_bytes);
      }
    }
  }
}

void packed_dot(const PackedRows& w, int64_t panel, int64_t panels, const uint8_t* x, int tokens,
                const float* bias, float* y, int64_t y_stride) {
  const bool pairs = w.format->groups == 2;
  DotPanels dot = nullptr;
  switch (w.format->bits) {
    case 4: dot = pairs ? dot_panels_of<4, 2>(tokens) : dot_panels_of<4, 1>(tokens); break;
    case 6: dot = pairs ? dot_panels_of<6, 2>(tokens) : dot_panels_of<6, 1>(tokens); break;
    default: dot = dot_panels_of<8, 1>(tokens); break;
  }
  dot(w, panel, panels, x, bias, y, y_stride);
}

void quantise_tile(const float* x, int64_t x_stride, int tokens, int64_t inputs, uint8_t* tile) {
  for (int64_t b = 0; b < inputs / 32; ++b, tile += kActivationBytes * tokens) {
    for (int t = 0; t < tokens; ++t) {
      QuantisedBlock block;
      quantise_block(x + t * x_stride + 32 * b, block);
      for (int64_t step = 0; step < kSteps; ++step)
        memcpy(tile + (step * tokens + t) * 4, block.q + 4 * step, 4);
      uint8_t* numbers = tile + 32 * tokens;
      memcpy(numbers + 4 * t, &block.scale, 4);
      for (int s = 0; s < 3; ++s) memcpy(numbers + 4 * ((1 + s) * tokens + t), &block.sums[s], 4);
    }
  }
}

}  // namespace oag::cpu::OAG_ISA
