#include "engine/tensor/quantize_families.h"
#include "engine/tensor/quantize_super_block.h"

namespace oag::quantize {
namespace {

constexpr int kGroupValues = 32;

// Levels that a table lists in rising order; a value midway between two goes to the upper one.
template <typename Table>
struct TableLevels {
  static constexpr float kReach = -Table::kLevels[0];

  template <int W>
  static OAG_INLINE Floats<W> nearest(Floats<W> x) {
    Floats<W> level = splat<W>(Table::kLevels[0]);
    for (int i = 1; i < Table::kCount; ++i) {
      const Floats<W> step = splat<W>(Table::kLevels[i] - Table::kLevels[i - 1]);
      level += x >= middle(i) ? step : Floats<W>{};
    }
    return level;
  }

  template <int W>
  static OAG_INLINE Floats<W> index(Floats<W> x) {
    Floats<W> index{};
    for (int i = 1; i < Table::kCount; ++i) index += x >= middle(i) ? splat<W>(1.0f) : Floats<W>{};
    return index;
  }

 private:
  static OAG_INLINE float middle(int i) { return 0.5f * (Table::kLevels[i] + Table::kLevels[i - 1]); }
};

struct Iq4Table {
  static constexpr int kCount = 16;
  static constexpr float kLevels[kCount] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                            1,    13,   25,  38,  53,  69,  89,  113};
};

// Scales that cut the largest values off have a smaller squared error, yet models get worse by it: those
// values do most of the work. See docs/performance.md.
struct Iq4Grid {
  static constexpr bool kWeighed = true;
  static constexpr float kReaches[] = {0.94f, 0.955f, 0.97f, 0.985f, 1.0f, 1.015f, 1.03f, 1.045f, 1.06f};
  static constexpr int kRounds = 2;
  static constexpr int kUnitRounds = 2;
  static constexpr int kSpread = 1;
};

// Values j and j + 16 of a group share byte j.
void pack_lane_nibbles(const uint8_t* levels, int lane, uint8_t* packed) {
  for (int j = 0; j < 16; ++j) {
    packed[j] = static_cast<uint8_t>(levels[j * kLanes + lane] | levels[(j + 16) * kLanes + lane] << 4);
  }
}

void store_u16(uint8_t* to, uint16_t bits) {
  std::memcpy(to, &bits, sizeof bits);
}

struct Iq4Xs {
  static constexpr int kGroups = 8, kBytes = 136;
  static constexpr float kScaleLow = -32.0f, kScaleTop = 31.0f;
  using Levels = TableLevels<Iq4Table>;
  using Grid = Iq4Grid;

  static void pack(const uint8_t* levels, int lane, const ScaleChoice& choice, uint8_t* block) {
    std::memset(block + 4, 0, 4);
    int high = 0;
    for (int group = 0; group < 8; ++group) {
      const int six_bits = static_cast<int>(choice.multiple[lane + group]) + 32;
      uint8_t& low = block[4 + group / 2];
      low = static_cast<uint8_t>(low | (six_bits & 15) << (4 * (group & 1)));
      high |= six_bits >> 4 << (2 * group);
      pack_lane_nibbles(levels, lane + group, block + 8 + 16 * group);
    }
    store_u16(block, f16_from_f32(choice.unit[lane]));
    store_u16(block + 2, static_cast<uint16_t>(high));
  }
};

// Sixteen blocks of 32 values at a time, each with an f16 scale of its own.
struct Iq4NlKernel {
  using Levels = TableLevels<Iq4Table>;
  static constexpr size_t kBytes = 18;

  template <int W>
  static OAG_INLINE void run(const float* values, size_t blocks, uint8_t* out) {
    alignas(64) float x[kGroupValues * kLanes];
    alignas(64) float scale[kLanes];
    uint8_t levels[kGroupValues * kLanes];
    for (size_t block = 0; block < blocks; block += kLanes) {
      const int count = static_cast<int>(std::min<size_t>(kLanes, blocks - block));
      to_lanes<kGroupValues>(values + block * kGroupValues, count, x);
      for (int lane = 0; lane < kLanes; lane += W)
        store<W>(scale + lane, fit_scale<Levels, Iq4Grid, W, kGroupValues>(x + lane));
      for (float& each : scale) each = f16_rounded(each);
      for (int lane = 0; lane < kLanes; lane += W) {
        const Floats<W> inverse_scale = inverse<W>(load<W>(scale + lane));
        for (int j = 0; j < kGroupValues; ++j) {
          alignas(64) float index[W];
          store<W>(index, Levels::template index<W>(load<W>(x + j * kLanes + lane) * inverse_scale));
          for (int i = 0; i < W; ++i) levels[j * kLanes + lane + i] = static_cast<uint8_t>(index[i]);
        }
      }
      for (int i = 0; i < count; ++i) {
        uint8_t* to = out + (block + static_cast<size_t>(i)) * kBytes;
        store_u16(to, f16_from_f32(scale[i]));
        pack_lane_nibbles(levels, i, to + 2);
      }
    }
  }
};

// The magnitudes 0, 0.5, 1, 1.5, 2, 3, 4, 6 of E2M1, doubled.
struct E2m1Table {
  static constexpr int kCount = 8;
  static constexpr float kLevels[kCount] = {0, 1, 2, 3, 4, 6, 8, 12};
};

// Sixteen blocks at a time, each scaled by the power of two that leads to the smallest error. The exponent
// that lets the greatest value lie between 4 and 8 is the format's own choice (OCP Microscaling v1.0, 6.3);
// one below it cuts that value to 6, one above it may round the others better.
struct Mxfp4Kernel {
  using Levels = TableLevels<E2m1Table>;
  static constexpr size_t kBytes = 17;

  template <int W>
  static OAG_INLINE void run(const float* values, size_t blocks, uint8_t* out) {
    alignas(64) float x[kGroupValues * kLanes];
    int exponents[kLanes];
    uint8_t levels[kGroupValues * kLanes];
    for (size_t block = 0; block < blocks; block += kLanes) {
      const int count = static_cast<int>(std::min<size_t>(kLanes, blocks - block));
      to_lanes<kGroupValues>(values + block * kGroupValues, count, x);
      for (int lane = 0; lane < kLanes; lane += W) {
        choose_exponents<W>(x + lane, exponents + lane);
        find_levels<W>(x + lane, exponents + lane, levels + lane);
      }
      for (int i = 0; i < count; ++i) {
        uint8_t* to = out + (block + static_cast<size_t>(i)) * kBytes;
        to[0] = static_cast<uint8_t>(exponents[i]);
        pack_lane_nibbles(levels, i, to + 1);
      }
    }
  }

 private:
  static constexpr int kBias = 128;  // for doubled levels
  static constexpr int kSteps = 3;

  // 2^-(exponent - kBias); the exponents are kept where both powers are normal numbers.
  static OAG_INLINE float inverse_power(int exponent) {
    return std::bit_cast<float>(static_cast<uint32_t>(127 + kBias - exponent) << 23);
  }
  static OAG_INLINE float power(int exponent) {
    return std::bit_cast<float>(static_cast<uint32_t>(127 - kBias + exponent) << 23);
  }

  template <int W>
  static OAG_INLINE void choose_exponents(const float* x, int* exponents) {
    Floats<W> extreme{};
    for (int j = 0; j < kGroupValues; ++j) {
      const Floats<W> value = load<W>(x + j * kLanes);
      extreme = greatest<W>(extreme, greatest<W>(value, -value));
    }
    alignas(64) float extremes[W], powers[kSteps][W], inverses[kSteps][W], errors[kSteps][W];
    store<W>(extremes, extreme);
    for (int i = 0; i < W; ++i) {
      const int own = static_cast<int>(std::bit_cast<uint32_t>(extremes[i]) >> 23) - 2;
      exponents[i] = std::clamp(own, 3, 251);
      for (int step = 0; step < kSteps; ++step) {
        powers[step][i] = power(exponents[i] + step - 1);
        inverses[step][i] = inverse_power(exponents[i] + step - 1);
      }
    }
    for (int step = 0; step < kSteps; ++step) {
      const Floats<W> scale = load<W>(powers[step]), inverse_scale = load<W>(inverses[step]);
      Floats<W> error{};
      for (int j = 0; j < kGroupValues; ++j) {
        const Floats<W> value = load<W>(x + j * kLanes);
        const Floats<W> size = value < 0.0f ? -value : value;
        const Floats<W> off = Levels::template nearest<W>(size * inverse_scale) * scale - size;
        error += off * off;
      }
      store<W>(errors[step], error);
    }
    for (int i = 0; i < W; ++i) {
      int best = 1;
      for (int step = 0; step < kSteps; ++step) best = errors[step][i] < errors[best][i] ? step : best;
      exponents[i] += best - 1;
    }
  }

  template <int W>
  static OAG_INLINE void find_levels(const float* x, const int* exponents, uint8_t* levels) {
    alignas(64) float inverses[W];
    for (int i = 0; i < W; ++i) inverses[i] = inverse_power(exponents[i]);
    const Floats<W> inverse_scale = load<W>(inverses);
    for (int j = 0; j < kGroupValues; ++j) {
      const Floats<W> value = load<W>(x + j * kLanes) * inverse_scale;
      const Floats<W> index = Levels::template index<W>(value < 0.0f ? -value : value);
      alignas(64) float bits[W];
      store<W>(bits, value < 0.0f ? index + 8.0f : index);
      for (int i = 0; i < W; ++i) levels[j * kLanes + i] = static_cast<uint8_t>(bits[i]);
    }
  }
};

}  // namespace

Kernel table_kernel(DType dtype, int lanes) {
  switch (dtype) {
    case DType::kIQ4_NL: return kernel_for<Iq4NlKernel>(lanes);
    case DType::kIQ4_XS: return kernel_for<SymmetricKernel<Iq4Xs>>(lanes);
    case DType::kMXFP4: return kernel_for<Mxfp4Kernel>(lanes);
    default: return nullptr;
  }
}

}  // namespace oag::quantize
