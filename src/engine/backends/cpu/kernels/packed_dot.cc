// Products of packed block-format rows with quantised activations, the packing of the former and the
// quantisation of the latter. micro_kernels.h describes both layouts.
#include "engine/backends/cpu/kernels/block_formats.h"

namespace oag::cpu::OAG_ISA {
namespace {

constexpr int64_t kSteps = 8;  // of four values in a block of 32

// Levels of more bits than a power of two are two planes.
constexpr int low_bits(int bits) {
  return bits < 4 ? 2 : bits < 8 ? 4 : 8;
}

// --- packing

// Unpacked rows of one panel, one after the other.
struct UnpackedRows {
  uint8_t* levels;     // [rows, inputs]
  RowNumbers numbers;  // [rows, groups in a row] and [rows, stretches in a row]
};

template <int kPlane>
void put_plane(uint32_t four, int step, uint32_t* words) {
  constexpr uint32_t kMask = ((1u << kPlane) - 1) * 0x01010101u;
  words[step % kPlane] |= (four & kMask) << kPlane * (step / kPlane);
}

template <int kFormat>
void pack_levels(const uint8_t* levels, int row, uint8_t* planes) {
  constexpr const BlockFormat& kForm = kFormats[kFormat];
  constexpr int kLow = low_bits(kForm.bits), kHigh = kForm.bits - kLow;
  uint32_t words[8] = {};
#pragma GCC unroll 8
  for (int step = 0; step < 8; ++step) {
    uint8_t bytes[4];
    memcpy(bytes, levels + 4 * step, sizeof bytes);
    if constexpr (kForm.bits == 8 && kForm.table != nullptr) {
      for (uint8_t& byte : bytes) byte = kForm.table[byte];
    }
    uint32_t four;
    memcpy(&four, bytes, sizeof four);
    if constexpr (kForm.bits == 8) {
      words[step] = kForm.table == nullptr && !kSignedLevels ? four ^ 0x80808080u : four;
    } else {
      put_plane<kLow>(four, step, words);
      if constexpr (kHigh > 0) put_plane<kHigh>(four >> kLow, step, words + kLow);
    }
  }
  for (int vector = 0; vector < kForm.bits; ++vector)
    memcpy(planes + (vector * kLanes + row) * 4, words + vector, 4);
}

// Numbers of a group for all lanes, `stride` apart.
void pack_f16(const float* from, int64_t stride, int rows, uint8_t* to) {
  float values[kLanes];
  for (int r = 0; r < kLanes; ++r) values[r] = r < rows ? from[r * stride] : 0.0f;
  uint16_t halves[kLanes];
  store_f16(halves, load(values));
  memcpy(to, halves, sizeof halves);
}
void pack_bytes(const float* from, int64_t stride, int rows, uint8_t* to) {
  for (int r = 0; r < rows; ++r) to[r] = static_cast<uint8_t>(static_cast<int8_t>(from[r * stride]));
}

template <int kFormat>
void pack_numbers(const RowNumbers& from, int64_t group, int64_t stride, int rows, int g, uint8_t* to) {
  constexpr const BlockFormat& kForm = kFormats[kFormat];
  const float *scales = from.scales + group, *leasts = from.leasts + group;
  if constexpr (kForm.numbers == Numbers::kNibbles) {
    for (int r = 0; r < rows; ++r) {
      to[g * kLanes + r] = static_cast<uint8_t>(static_cast<int>(scales[r * stride]) |
                                                static_cast<int>(leasts[r * stride]) << 4);
    }
  } else {
    constexpr bool kHalves = kForm.numbers == Numbers::kF16;
    constexpr int kBytes = kLanes * (kHalves ? 2 : 1);
    constexpr auto pack = kHalves ? pack_f16 : pack_bytes;
    pack(scales, stride, rows, to + g * kBytes);
    if constexpr (kForm.own_leasts) pack(leasts, stride, rows, to + (kForm.groups + g) * kBytes);
  }
}

template <int kFormat>
void pack_stretches(const UnpackedRows& from, int rows, int64_t inputs, uint8_t* panel) {
  constexpr const BlockFormat& kForm = kFormats[kFormat];
  constexpr int kBlocks = stretch_blocks(kForm);
  const int64_t groups = inputs / 32 * kForm.groups, stretches = inputs / (32 * kBlocks);
  for (int64_t s = 0; s < stretches; ++s, panel += stretch_bytes(kForm, kLanes)) {
    if constexpr (kBlocks > 1) {
      pack_f16(from.numbers.super_scales + s, stretches, rows, panel);
      if constexpr (kForm.own_leasts)
        pack_f16(from.numbers.super_leasts + s, stretches, rows, panel + 2 * kLanes);
      else
        memset(panel + 2 * kLanes, 0, 2 * kLanes);
    }
    uint8_t* numbers = panel + super_bytes(kForm, kLanes);
    uint8_t* levels = numbers + kBlocks * number_bytes(kForm, kLanes);
    for (int i = 0; i < kBlocks; ++i) {
      const int64_t b = s * kBlocks + i;
      for (int g = 0; g < kForm.groups; ++g)
        pack_numbers<kFormat>(from.numbers, b * kForm.groups + g, groups, rows, g, numbers);
      for (int r = 0; r < rows; ++r) pack_levels<kFormat>(from.levels + r * inputs + 32 * b, r, levels);
      numbers += number_bytes(kForm, kLanes);
      levels += level_bytes(kForm, kLanes);
    }
  }
}

// --- products

typedef uint16_t Words __attribute__((vector_size(sizeof(Bytes))));

// Step `step` of a plane, from bit kTo of each byte on; other bits are 0.
template <int kPlane, int kTo>
Bytes plane_at(const uint8_t* vectors, int step) {
  Words v;
  memcpy(&v, vectors + step % kPlane * static_cast<int>(sizeof v), sizeof v);
  // Of 16 bits: processors have no shifts of bytes. What crosses over is masked.
  const int shift = kPlane * (step / kPlane) - kTo;
  v = shift >= 0 ? v >> static_cast<uint16_t>(shift) : v << static_cast<uint16_t>(-shift);
  return reinterpret_cast<Bytes>(v) & static_cast<uint8_t>(((1 << kPlane) - 1) << kTo);
}

template <int kBits>
Bytes levels_at(const uint8_t* planes, int step) {
  if constexpr (kBits == 8) {
    Bytes levels;
    memcpy(&levels, planes + step * static_cast<int>(sizeof levels), sizeof levels);
    return levels;
  } else {
    constexpr int kLow = low_bits(kBits), kHigh = kBits - kLow;
    const Bytes low = plane_at<kLow, 0>(planes, step);
    if constexpr (kHigh == 0) {
      return low;
    } else {
      return low | plane_at<kHigh, kLow>(planes + kLow * static_cast<int>(sizeof low), step);
    }
  }
}

struct ScaleAndLeast {
  F scale, least;
};

// The numbers of group g of a block; `super` is those of its 256 inputs.
template <int kFormat>
ScaleAndLeast numbers_at(const uint8_t* numbers, int g, const ScaleAndLeast& super) {
  constexpr const BlockFormat& kForm = kFormats[kFormat];
  if constexpr (kForm.numbers == Numbers::kNibbles) {
    F scale, least;
    load_nibbles(numbers + g * kLanes, &scale, &least);
    return {mul(scale, super.scale), mul(least, super.least)};
  } else {
    const auto number = [&](int i) {
      if constexpr (kForm.numbers == Numbers::kF16)
        return load_f16(reinterpret_cast<const uint16_t*>(numbers) + i * kLanes);
      else if constexpr (kForm.numbers == Numbers::kPowers)
        return load_pow2(reinterpret_cast<const int8_t*>(numbers) + i * kLanes);
      else
        return load_i8(reinterpret_cast<const int8_t*>(numbers) + i * kLanes);
    };
    F scale = number(g);
    if constexpr (kForm.numbers == Numbers::kBytes) scale = mul(scale, super.scale);
    if constexpr (!kForm.own_leasts) return {scale, mul(scale, splat(kForm.least_per_scale))};
    const F least = number(kForm.groups + g);
    return {scale, kForm.numbers == Numbers::kBytes ? mul(least, super.least) : least};
  }
}

// One panel by T tokens. Each output takes its groups in order, scale before least: the same operations
// whatever T is.
template <int kFormat, int T>
void dot_panel(int64_t inputs, const uint8_t* panel, const uint8_t* x, F (&acc)[T]) {
  constexpr const BlockFormat& kForm = kFormats[kFormat];
  constexpr int kGroups = kForm.groups, kGroupSteps = static_cast<int>(kSteps) / kGroups;
  constexpr int kBlocks = stretch_blocks(kForm);
  constexpr bool kLookUp = kForm.table != nullptr && kForm.bits < 8;
  Bytes table{};
  if constexpr (kLookUp) table = load_table(kForm.table);
  ScaleAndLeast super{zero(), zero()};
  for (int64_t b = 0; b < inputs / 32; b += kBlocks, panel += stretch_bytes(kForm, kLanes)) {
    if constexpr (kBlocks > 1) {
      const auto* halves = reinterpret_cast<const uint16_t*>(panel);
      super.scale = load_f16(halves);
      if constexpr (kForm.own_leasts) super.least = load_f16(halves + kLanes);
    }
    const uint8_t* numbers = panel + super_bytes(kForm, kLanes);
    const uint8_t* planes = numbers + kBlocks * number_bytes(kForm, kLanes);
    for (int i = 0; i < kBlocks; ++i) {
      const auto* q = reinterpret_cast<const int8_t*>(x);
      const auto* x_scales = reinterpret_cast<const float*>(x + 32 * T);
#pragma GCC unroll 2
      for (int g = 0; g < kGroups; ++g) {
        using Dots = LevelDots<kForm.value_bits, T>;
        Dots dots;
#pragma GCC unroll 8
        for (int s = 0; s < kGroupSteps; ++s) {
          const int step = g * kGroupSteps + s;
          Bytes levels = levels_at<kForm.bits>(planes, step);
          if constexpr (kLookUp) levels = look_up(table, levels);
          dots.add(levels, q + step * T * 4, s);
          if ((s + 1) % Dots::kSteps == 0 || s + 1 == kGroupSteps) dots.flush();
        }
        const ScaleAndLeast w = numbers_at<kFormat>(numbers, g, super);
        const float* x_sums = x_scales + (kGroups == 1 ? 1 : 2 + g) * T;
#pragma GCC unroll 8
        for (int t = 0; t < T; ++t) {
          acc[t] = mul_add(dots.value(t), mul(w.scale, splat(x_scales[t])), acc[t]);
          acc[t] = mul_add(w.least, splat(x_sums[t]), acc[t]);
        }
      }
      numbers += number_bytes(kForm, kLanes);
      planes += level_bytes(kForm, kLanes);
      x += kActivationBytes * T;
    }
  }
}

template <int kFormat, int T>
void dot_panels(const PackedRows& w, int64_t panel, int64_t panels, const uint8_t* x, const float* bias,
                float* y, int64_t y_stride) {
  for (int64_t p = panel; p < panel + panels; ++p) {
    F acc[T];
    for (int t = 0; t < T; ++t) acc[t] = zero();
    dot_panel<kFormat, T>(w.inputs, w.panels + p * w.panel_bytes, x, acc);
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

// What there is for each format: its packing, and products by number of tokens.
struct FormatLoops {
  void (*pack)(const UnpackedRows&, int rows, int64_t inputs, uint8_t* panel);
  void (*dot[kTileTokens])(const PackedRows&, int64_t panel, int64_t panels, const uint8_t* x,
                           const float* bias, float* y, int64_t y_stride);
};

template <int kFormat>
constexpr FormatLoops format_loops() {
  static_assert(kTileTokens == 4 || kTileTokens == 8);
  if constexpr (kTileTokens == 4) {
    return {pack_stretches<kFormat>,
            {dot_panels<kFormat, 1>, dot_panels<kFormat, 2>, dot_panels<kFormat, 3>, dot_panels<kFormat, 4>}};
  } else {
    return {pack_stretches<kFormat>,
            {dot_panels<kFormat, 1>, dot_panels<kFormat, 2>, dot_panels<kFormat, 3>, dot_panels<kFormat, 4>,
             dot_panels<kFormat, 5>, dot_panels<kFormat, 6>, dot_panels<kFormat, 7>, dot_panels<kFormat, 8>}};
  }
}
static_assert(kBlockFormatCount == 13);
constexpr FormatLoops kLoops[kBlockFormatCount] = {
    format_loops<0>(),  format_loops<1>(),  format_loops<2>(), format_loops<3>(), format_loops<4>(),
    format_loops<5>(),  format_loops<6>(),  format_loops<7>(), format_loops<8>(), format_loops<9>(),
    format_loops<10>(), format_loops<11>(), format_loops<12>()};

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
  const int64_t groups = inputs / 32 * format.groups, supers = inputs / (32 * stretch_blocks(format));
  auto* numbers = reinterpret_cast<float*>(scratch);
  RowNumbers all;
  all.scales = numbers;
  all.leasts = all.scales + kLanes * groups;
  all.super_scales = all.leasts + kLanes * groups;
  all.super_leasts = all.super_scales + kLanes * supers;
  auto* levels = reinterpret_cast<uint8_t*>(all.super_leasts + kLanes * supers);
  for (int r = 0; r < row_count; ++r) {
    format.unpack(rows + r * stride, inputs, levels + r * inputs,
                  {all.scales + r * groups, all.leasts + r * groups, all.super_scales + r * supers,
                   all.super_leasts + r * supers});
  }
  if (row_count < kLanes) memset(panel, 0, static_cast<size_t>(panel_bytes(format, kLanes, inputs)));
  kLoops[&format - kFormats].pack({levels, all}, row_count, inputs, panel);
}

void packed_dot(const PackedRows& w, int64_t panel, int64_t panels, const uint8_t* x, int tokens,
                const float* bias, float* y, int64_t y_stride) {
  kLoops[w.format - kFormats].dot[tokens - 1](w, panel, panels, x, bias, y, y_stride);
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
