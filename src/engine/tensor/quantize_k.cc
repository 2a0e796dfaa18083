#include "engine/tensor/quantize_families.h"
#include "engine/tensor/quantize_super_block.h"

namespace oag::quantize {
namespace {

void store_f16(uint8_t* to, float value) {
  const uint16_t bits = f16_from_f32(value);
  std::memcpy(to, &bits, sizeof bits);
}

// Group `group` of 32 values of Q4_K and Q5_K, of 16 values of the others, begins at levels[lane + group].
struct FineGrid {
  static constexpr float kCuts[][2] = {
      {0, 0},    {0, -1},      {-0.5f, -0.5f}, {0.25f, 0.25f}, {0.5f, 0.5f}, {0.75f, 0.75f}, {0, 0.5f},
      {0.5f, 0}, {0.9f, 0.3f}, {0.3f, 0.9f},   {1.1f, 1.1f},   {0, 1},       {1, 0}};
  static constexpr int kRounds = 2;
  static constexpr int kUnitRounds = 2;
  static constexpr float kScaleSpread = 1.0f;
  static constexpr float kDropSpread = 1.0f;
};

struct CoarseGrid {
  static constexpr float kCuts[][2] = {{0, 0},    {0, -1},      {0.2f, 0.2f}, {0.4f, 0.4f}, {0.6f, 0.6f},
                                       {0, 0.3f}, {0.3f, 0},    {0.8f, 0.4f}, {0.4f, 0.8f}, {0, 0.7f},
                                       {0.7f, 0}, {1.2f, 0.4f}, {0.4f, 1.2f}, {1, 1}};
  static constexpr int kRounds = 2;
  static constexpr int kUnitRounds = 3;
  static constexpr float kScaleSpread = 1.0f;
  static constexpr float kDropSpread = 1.0f;
};

// Sixteen 2-bit levels of a group share bytes with those of three other groups.
void pack_two_bits(const uint8_t* levels, int lane, uint8_t* packed) {
  std::memset(packed, 0, 64);
  for (int group = 0; group < 16; ++group) {
    uint8_t* to = packed + 32 * (group / 8) + 16 * (group & 1);
    const int shift = group % 8 / 2 * 2;
    for (int l = 0; l < 16; ++l)
      to[l] = static_cast<uint8_t>(to[l] | (levels[l * kLanes + lane + group] & 3) << shift);
  }
}

struct Q2K {
  static constexpr int kGroups = 16, kTop = 3, kBytes = 84;
  static constexpr float kScaleTop = 15.0f;
  using Grid = CoarseGrid;

  static void pack(const uint8_t* levels, int lane, const AffineChoice& choice, uint8_t* block) {
    for (int group = 0; group < 16; ++group) {
      block[group] = static_cast<uint8_t>(static_cast<int>(choice.scale[lane + group]) |
                                          static_cast<int>(choice.drop[lane + group]) << 4);
    }
    pack_two_bits(levels, lane, block + 16);
    store_f16(block + 80, choice.unit[lane]);
    store_f16(block + 82, choice.drop_unit[lane]);
  }
};

struct Q3K {
  static constexpr int kGroups = 16, kBytes = 110;
  static constexpr float kScaleLow = -32.0f, kScaleTop = 31.0f;
  using Levels = IntegerLevels<-4, 3>;
  struct Grid {
    static constexpr bool kWeighed = false;
    static constexpr float kReaches[] = {0.65f, 0.75f, 0.82f, 0.88f, 0.94f, 1.0f, 1.06f};
    static constexpr int kRounds = 1;
    static constexpr int kUnitRounds = 2;
    static constexpr int kSpread = 1;
  };

  static void pack(const uint8_t* levels, int lane, const ScaleChoice& choice, uint8_t* block) {
    uint8_t* high_bits = block;
    std::memset(high_bits, 0, 32);
    for (int group = 0; group < 16; ++group) {
      for (int l = 0; l < 16; ++l) {
        uint8_t& to = high_bits[16 * (group & 1) + l];
        to = static_cast<uint8_t>(to | (levels[l * kLanes + lane + group] >> 2)
                                           << (4 * (group / 8) + group % 8 / 2));
      }
    }
    pack_two_bits(levels, lane, block + 32);
    uint8_t* scales = block + 96;
    std::memset(scales, 0, 12);
    for (int group = 0; group < 16; ++group) {
      const int six_bits = static_cast<int>(choice.multiple[lane + group]) + 32;
      scales[group % 8] = static_cast<uint8_t>(scales[group % 8] | (six_bits & 15) << (4 * (group / 8)));
      uint8_t& high = scales[8 + group % 4];
      high = static_cast<uint8_t>(high | (six_bits >> 4) << (2 * (group / 4)));
    }
    store_f16(block + 108, choice.unit[lane]);
  }
};

// Eight 6-bit scales and eight 6-bit minima in 12 bytes.
void pack_six_bits(const float* scale, const float* drop, uint8_t* packed) {
  std::memset(packed, 0, 12);
  for (int k = 0; k < 8; ++k) {
    const int s = static_cast<int>(scale[k]);
    const int m = static_cast<int>(drop[k]);
    if (k < 4) {
      packed[k] = static_cast<uint8_t>(packed[k] | s);
      packed[k + 4] = static_cast<uint8_t>(packed[k + 4] | m);
    } else {
      packed[k + 4] = static_cast<uint8_t>((s & 15) | (m & 15) << 4);
      packed[k - 4] = static_cast<uint8_t>(packed[k - 4] | (s >> 4) << 6);
      packed[k] = static_cast<uint8_t>(packed[k] | (m >> 4) << 6);
    }
  }
}

void pack_q45_head(int lane, const AffineChoice& choice, uint8_t* block) {
  store_f16(block, choice.unit[lane]);
  store_f16(block + 2, choice.drop_unit[lane]);
  pack_six_bits(choice.scale + lane, choice.drop + lane, block + 4);
}

void pack_group_nibbles(const uint8_t* levels, int lane, uint8_t* packed) {
  for (int pair = 0; pair < 4; ++pair) {
    for (int l = 0; l < 32; ++l) {
      const uint8_t* at = levels + l * kLanes + lane + 2 * pair;
      packed[32 * pair + l] = static_cast<uint8_t>((at[0] & 15) | (at[1] & 15) << 4);
    }
  }
}

struct Q4K {
  static constexpr int kGroups = 8, kTop = 15, kBytes = 144;
  static constexpr float kScaleTop = 63.0f;
  using Grid = FineGrid;

  static void pack(const uint8_t* levels, int lane, const AffineChoice& choice, uint8_t* block) {
    pack_q45_head(lane, choice, block);
    pack_group_nibbles(levels, lane, block + 16);
  }
};

struct Q5K {
  static constexpr int kGroups = 8, kTop = 31, kBytes = 176;
  static constexpr float kScaleTop = 63.0f;
  using Grid = FineGrid;

  static void pack(const uint8_t* levels, int lane, const AffineChoice& choice, uint8_t* block) {
    pack_q45_head(lane, choice, block);
    for (int l = 0; l < 32; ++l) {
      int bits = 0;
      for (int group = 0; group < 8; ++group) bits |= levels[l * kLanes + lane + group] >> 4 << group;
      block[16 + l] = static_cast<uint8_t>(bits);
    }
    pack_group_nibbles(levels, lane, block + 48);
  }
};

struct Q6K {
  static constexpr int kGroups = 16, kBytes = 210;
  static constexpr float kScaleLow = -128.0f, kScaleTop = 127.0f;
  using Levels = IntegerLevels<-32, 31>;
  struct Grid {
    static constexpr bool kWeighed = false;
    static constexpr float kReaches[] = {0.955f, 0.967f, 0.978f, 0.986f, 0.993f, 1.0f, 1.008f, 1.016f};
    static constexpr int kRounds = 1;
    static constexpr int kUnitRounds = 1;
    static constexpr int kSpread = 1;
  };

  static void pack(const uint8_t* levels, int lane, const ScaleChoice& choice, uint8_t* block) {
    for (int half = 0; half < 2; ++half) {
      uint8_t* low = block + 64 * half;
      uint8_t* high = block + 128 + 32 * half;
      for (int l = 0; l < 32; ++l) {
        const uint8_t* at = levels + (l % 16) * kLanes + lane + 8 * half + l / 16;
        const int q0 = at[0], q1 = at[2], q2 = at[4], q3 = at[6];
        low[l] = static_cast<uint8_t>((q0 & 15) | (q2 & 15) << 4);
        low[l + 32] = static_cast<uint8_t>((q1 & 15) | (q3 & 15) << 4);
        high[l] = static_cast<uint8_t>(q0 >> 4 | q1 >> 4 << 2 | q2 >> 4 << 4 | q3 >> 4 << 6);
      }
    }
    for (int group = 0; group < 16; ++group)
      block[192 + group] = static_cast<uint8_t>(static_cast<int8_t>(choice.multiple[lane + group]));
    store_f16(block + 208, choice.unit[lane]);
  }
};

}  // namespace

Kernel k_kernel(DType dtype, int lanes) {
  switch (dtype) {
    case DType::kQ2_K: return kernel_for<AffineKernel<Q2K>>(lanes);
    case DType::kQ3_K: return kernel_for<SymmetricKernel<Q3K>>(lanes);
    case DType::kQ4_K: return kernel_for<AffineKernel<Q4K>>(lanes);
    case DType::kQ5_K: return kernel_for<AffineKernel<Q5K>>(lanes);
    case DType::kQ6_K: return kernel_for<SymmetricKernel<Q6K>>(lanes);
    default: return nullptr;
  }
}

}  // namespace oag::quantize
