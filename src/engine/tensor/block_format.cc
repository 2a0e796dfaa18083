#include "engine/tensor/block_format.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "engine/tensor/float16.h"

// Every value is computed in f32 with one rounding per written operation, in the order of the format's
// definition: that is what makes the results equal bit for bit to other readers of the format.

namespace oag {
namespace {

static_assert(std::endian::native == std::endian::little, "block formats are read as little-endian memory");

constexpr int kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
// Twice the E2M1 values 0, 0.5, 1, 1.5, 2, 3, 4, 6; the block's exponent makes up for the factor.
constexpr int kE2m1Doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

template <typename T>
T load(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

float load_f16(const uint8_t* from) {
  return f32_from_f16(load<uint16_t>(from));
}

// 32 values in 16 bytes: the low nibbles are values 0..15, the high nibbles 16..31.
template <typename Map>
void decode_nibbles(const uint8_t* packed, float* values, Map map) {
  for (int j = 0; j < 16; ++j) {
    values[j] = map(packed[j] & 15);
    values[j + 16] = map(packed[j] >> 4);
  }
}

// As decode_nibbles, with a fifth bit for value j in bit j of `high`.
template <typename Map>
void decode_five_bits(const uint8_t* packed, uint32_t high, float* values, Map map) {
  for (int j = 0; j < 16; ++j) {
    values[j] = map((packed[j] & 15) | static_cast<int>((high >> j & 1) << 4));
    values[j + 16] = map((packed[j] >> 4) | static_cast<int>((high >> (j + 16) & 1) << 4));
  }
}

void decode_q4_0(const uint8_t* block, float* values) {
  const float scale = load_f16(block);
  decode_nibbles(block + 2, values, [&](int q) { return scale * static_cast<float>(q - 8); });
}

void decode_q4_1(const uint8_t* block, float* values) {
  const float scale = load_f16(block);
  const float least = load_f16(block + 2);
  decode_nibbles(block + 4, values, [&](int q) { return scale * static_cast<float>(q) + least; });
}

void decode_q5_0(const uint8_t* block, float* values) {
  const float scale = load_f16(block);
  decode_five_bits(block + 6, load<uint32_t>(block + 2), values,
                   [&](int q) { return scale * static_cast<float>(q - 16); });
}

void decode_q5_1(const uint8_t* block, float* values) {
  const float scale = load_f16(block);
  const float least = load_f16(block + 2);
  decode_five_bits(block + 8, load<uint32_t>(block + 4), values,
                   [&](int q) { return scale * static_cast<float>(q) + least; });
}

void decode_q8_0(const uint8_t* block, float* values) {
  const float scale = load_f16(block);
  for (int j = 0; j < 32; ++j) values[j] = scale * static_cast<float>(static_cast<int8_t>(block[2 + j]));
}

// Q2_K and Q3_K: sub-block `sub` of 16 values takes two bits at `shift` from 16 consecutive bytes of its
// half.
struct TwoBitSlice {
  explicit TwoBitSlice(int sub) : first_byte(32 * (sub / 8) + 16 * (sub & 1)), shift(sub % 8 / 2 * 2) {}
  int first_byte;
  int shift;
};

void decode_q2_k(const uint8_t* block, float* values) {
  const uint8_t* scales = block;
  const uint8_t* packed = block + 16;
  const float scale = load_f16(block + 80);
  const float least = load_f16(block + 82);
  for (int sub = 0; sub < 16; ++sub) {
    const TwoBitSlice slice(sub);
    const float sub_scale = scale * static_cast<float>(scales[sub] & 15);
    const float sub_least = least * static_cast<float>(scales[sub] >> 4);
    for (int l = 0; l < 16; ++l) {
      const int q = packed[slice.first_byte + l] >> slice.shift & 3;
      values[16 * sub + l] = sub_scale * static_cast<float>(q) - sub_least;
    }
  }
}

void decode_q3_k(const uint8_t* block, float* values) {
  const uint8_t* high_bits = block;
  const uint8_t* packed = block + 32;
  const uint8_t* scales = block + 96;
  const float scale = load_f16(block + 108);
  for (int sub = 0; sub < 16; ++sub) {
    const TwoBitSlice slice(sub);
    const int low = sub < 8 ? scales[sub] & 15 : scales[sub - 8] >> 4;
    const int high = scales[8 + sub % 4] >> (2 * (sub / 4)) & 3;
    const float sub_scale = scale * static_cast<float>((low | high << 4) - 32);
    const int high_bit = 4 * (sub / 8) + sub % 8 / 2;
    for (int l = 0; l < 16; ++l) {
      const int q = packed[slice.first_byte + l] >> slice.shift & 3;
      const int offset = high_bits[16 * (sub & 1) + l] >> high_bit & 1 ? 0 : 4;
      values[16 * sub + l] = sub_scale * static_cast<float>(q - offset);
    }
  }
}

struct ScaleAndLeast {
  int scale;
  int least;
};

// Q4_K and Q5_K pack eight 6-bit scales and eight 6-bit minima into 12 bytes.
ScaleAndLeast unpack_six_bits(const uint8_t* packed, int k) {
  if (k < 4) return {packed[k] & 63, packed[k + 4] & 63};
  return {(packed[k + 4] & 15) | packed[k - 4] >> 6 << 4, packed[k + 4] >> 4 | packed[k] >> 6 << 4};
}

// `high_bits` is null for Q4_K.
void decode_q45_k(const uint8_t* block, const uint8_t* high_bits, const uint8_t* packed, float* values) {
  const float scale = load_f16(block);
  const float least = load_f16(block + 2);
  for (int sub = 0; sub < 8; ++sub) {
    const ScaleAndLeast six_bits = unpack_six_bits(block + 4, sub);
    const float sub_scale = scale * static_cast<float>(six_bits.scale);
    const float sub_least = least * static_cast<float>(six_bits.least);
    for (int l = 0; l < 32; ++l) {
      int q = packed[32 * (sub / 2) + l] >> (4 * (sub & 1)) & 15;
      if (high_bits != nullptr) q |= (high_bits[l] >> sub & 1) << 4;
      values[32 * sub + l] = sub_scale * static_cast<float>(q) - sub_least;
    }
  }
}

void decode_q4_k(const uint8_t* block, float* values) {
  decode_q45_k(block, nullptr, block + 16, values);
}

void decode_q5_k(const uint8_t* block, float* values) {
  decode_q45_k(block, block + 16, block + 48, values);
}

void decode_q6_k(const uint8_t* block, float* values) {
  const float scale = load_f16(block + 208);
  for (int half = 0; half < 2; ++half) {
    const uint8_t* low = block + 64 * half;
    const uint8_t* high = block + 128 + 32 * half;
    const uint8_t* scales = block + 192 + 8 * half;
    for (int group = 0; group < 4; ++group) {
      for (int l = 0; l < 32; ++l) {
        const int nibble = low[l + 32 * (group & 1)] >> (4 * (group / 2)) & 15;
        const int q = (nibble | (high[l] >> (2 * group) & 3) << 4) - 32;
        const float sub_scale = scale * static_cast<float>(static_cast<int8_t>(scales[2 * group + l / 16]));
        values[128 * half + 32 * group + l] = sub_scale * static_cast<float>(q);
      }
    }
  }
}

void decode_iq4_nl(const uint8_t* block, float* values) {
  const float scale = load_f16(block);
  decode_nibbles(block + 2, values, [&](int q) { return scale * static_cast<float>(kIq4Values[q]); });
}

void decode_iq4_xs(const uint8_t* block, float* values) {
  const float scale = load_f16(block);
  const auto high = load<uint16_t>(block + 2);
  for (int sub = 0; sub < 8; ++sub) {
    const int low = block[4 + sub / 2] >> (4 * (sub & 1)) & 15;
    const float sub_scale = scale * static_cast<float>((low | (high >> (2 * sub) & 3) << 4) - 32);
    decode_nibbles(block + 8 + 16 * sub, values + 32 * sub,
                   [&](int q) { return sub_scale * static_cast<float>(kIq4Values[q]); });
  }
}

void decode_mxfp4(const uint8_t* block, float* values) {
  const float scale = std::ldexp(1.0f, block[0] - 128);
  decode_nibbles(block + 1, values, [&](int q) { return scale * static_cast<float>(kE2m1Doubled[q]); });
}

// f32_from_f16 without branches, so that a loop over it runs on vectors.
float f32_selected(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t magnitude = static_cast<uint32_t>(half & 0x7fffu) << 13;
  const auto number = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f);
  const bool is_number = magnitude < 0x7c00u << 13;
  return std::bit_cast<float>(sign | (is_number ? number : magnitude | 0x7f800000u));
}

void decode_plain(DType dtype, const uint8_t* from, std::span<float> values) {
  const auto each_half = [&](auto decode) {
    for (size_t i = 0; i < values.size(); ++i) values[i] = decode(load<uint16_t>(from + 2 * i));
  };
  switch (dtype) {
    case DType::kF32:
      if (!values.empty()) std::memcpy(values.data(), from, values.size_bytes());
      return;
    case DType::kF16: each_half([](uint16_t half) { return f32_selected(half); }); return;
    case DType::kBF16: each_half([](uint16_t half) { return f32_from_bf16(half); }); return;
    default: return;
  }
}

using DecodeBlock = void (*)(const uint8_t* block, float* values);

DecodeBlock decoder_of(DType dtype) {
  switch (dtype) {
    case DType::kQ4_0: return decode_q4_0;
    case DType::kQ4_1: return decode_q4_1;
    case DType::kQ5_0: return decode_q5_0;
    case DType::kQ5_1: return decode_q5_1;
    case DType::kQ8_0: return decode_q8_0;
    case DType::kQ2_K: return decode_q2_k;
    case DType::kQ3_K: return decode_q3_k;
    case DType::kQ4_K: return decode_q4_k;
    case DType::kQ5_K: return decode_q5_k;
    case DType::kQ6_K: return decode_q6_k;
    case DType::kIQ4_NL: return decode_iq4_nl;
    case DType::kIQ4_XS: return decode_iq4_xs;
    case DType::kMXFP4: return decode_mxfp4;
    default: return nullptr;
  }
}

void check_sizes(const DTypeInfo& info, size_t values, size_t bytes) {
  if (values % info.block_values != 0 || bytes % info.block_bytes != 0 ||
      values / info.block_values != bytes / info.block_bytes) {
    fail(ErrorCode::kInvalidArgument, info.name,
         "{} values do not belong to {} bytes: {} values take {} bytes", values, bytes, info.block_values,
         info.block_bytes);
  }
}

}  // namespace

void decode_blocks(DType dtype, std::span<const std::byte> blocks, std::span<float> values) {
  const DTypeInfo& info = dtype_info(dtype);
  const DecodeBlock decode = decoder_of(dtype);
  const bool is_plain = dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
  if (decode == nullptr && !is_plain) fail(ErrorCode::kUnsupported, info.name, "cannot be decoded to f32");
  check_sizes(info, values.size(), blocks.size());
  const auto* from = reinterpret_cast<const uint8_t*>(blocks.data());
  if (is_plain) return decode_plain(dtype, from, values);
  for (size_t i = 0; i < values.size(); i += info.block_values, from += info.block_bytes)
    decode(from, &values[i]);
}

}  // namespace oag
