// Stored rows of every block format -> bytes with a scale and a least value per group. Layouts:
// block_format.cc in engine/tensor, which is the reference. The vectors are the compiler's own, of 16 bytes,
// which every instruction set has.
#include "engine/backends/cpu/kernels/functions.h"
#include "engine/backends/cpu/kernels/vec.h"

namespace oag::cpu::OAG_ISA {
namespace {

typedef uint8_t Block16 __attribute__((vector_size(16)));

Block16 load_bytes(const uint8_t* p) {
  Block16 v;
  memcpy(&v, p, sizeof v);
  return v;
}
void store_bytes(uint8_t* p, Block16 v) {
  memcpy(p, &v, sizeof v);
}

float half_at(const uint8_t* p) {
  uint16_t bits;
  memcpy(&bits, p, sizeof bits);
  return f32_of_f16(bits);
}

void pad(float* values, int64_t count) {
  for (int64_t i = count; i < padded(count); ++i) values[i] = 0.0f;
}

void split_nibbles(const uint8_t* packed, uint8_t* q) {
  const Block16 both = load_bytes(packed);
  store_bytes(q, both & 15);
  store_bytes(q + 16, both >> 4);
}

// Adds 16 to value j where bit j of the 32 at `bits` is set.
void add_fifth_bits(const uint8_t* bits, uint8_t* q) {
  constexpr Block16 kBit = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  for (int half = 0; half < 2; ++half) {
    const uint8_t a = bits[2 * half], b = bits[2 * half + 1];
    const Block16 spread = {a, a, a, a, a, a, a, a, b, b, b, b, b, b, b, b};
    const Block16 set = reinterpret_cast<Block16>((spread & kBit) == kBit) & 16;
    store_bytes(q + 16 * half, load_bytes(q + 16 * half) | set);
  }
}

constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
// Twice the E2M1 values plus 12, so that none is negative.
constexpr int8_t kE2m1Raised[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

void look_up_nibbles(const int8_t* table, const uint8_t* packed, uint8_t* q) {
#if defined(__SSSE3__)
  const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(packed)), low = _mm_set1_epi8(15);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(q), _mm_shuffle_epi8(values, _mm_and_si128(bytes, low)));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(q + 16),
                   _mm_shuffle_epi8(values, _mm_and_si128(_mm_srli_epi16(bytes, 4), low)));
#else
  for (int j = 0; j < 16; ++j) {
    q[j] = static_cast<uint8_t>(table[packed[j] & 15]);
    q[j + 16] = static_cast<uint8_t>(table[packed[j] >> 4]);
  }
#endif
}

// Q4_K and Q5_K pack eight 6-bit scales and eight 6-bit leasts into 12 bytes.
void unpack_six_bits(const uint8_t* packed, uint8_t* scales, uint8_t* leasts) {
  for (int k = 0; k < 4; ++k) {
    scales[k] = packed[k] & 63;
    leasts[k] = packed[k + 4] & 63;
    scales[k + 4] = static_cast<uint8_t>((packed[k + 8] & 15) | packed[k] >> 6 << 4);
    leasts[k + 4] = static_cast<uint8_t>(packed[k + 8] >> 4 | packed[k + 4] >> 6 << 4);
  }
}

// `high_bits` is null for Q4_K.
void unpack_q45_k_block(const uint8_t* block, const uint8_t* high_bits, const uint8_t* packed, uint8_t* q,
                        float* scales, float* leasts) {
  const float scale = half_at(block), least = half_at(block + 2);
  uint8_t sub_scales[8], sub_leasts[8];
  unpack_six_bits(block + 4, sub_scales, sub_leasts);
  for (int k = 0; k < 8; ++k) {
    scales[k] = scale * static_cast<float>(sub_scales[k]);
    leasts[k] = -(least * static_cast<float>(sub_leasts[k]));
  }
  for (int pair = 0; pair < 4; ++pair) {
    for (int l = 0; l < 32; l += 16) {
      const Block16 both = load_bytes(packed + 32 * pair + l);
      store_bytes(q + 64 * pair + l, both & 15);
      store_bytes(q + 64 * pair + 32 + l, both >> 4);
    }
  }
  if (high_bits == nullptr) return;
  for (int k = 0; k < 8; ++k) {
    for (int l = 0; l < 32; l += 16) {
      const Block16 high = (load_bytes(high_bits + l) >> static_cast<uint8_t>(k) & 1) << 4;
      store_bytes(q + 32 * k + l, load_bytes(q + 32 * k + l) | high);
    }
  }
}

}  // namespace

void unpack_q4_0(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts) {
  for (int64_t b = 0; b < inputs / 32; ++b, row += 18) {
    scales[b] = half_at(row);
    leasts[b] = -8.0f * scales[b];
    split_nibbles(row + 2, q + 32 * b);
  }
  pad(scales, inputs / 32);
  pad(leasts, inputs / 32);
}

void unpack_q4_1(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts) {
  for (int64_t b = 0; b < inputs / 32; ++b, row += 20) {
    scales[b] = half_at(row);
    leasts[b] = half_at(row + 2);
    split_nibbles(row + 4, q + 32 * b);
  }
  pad(scales, inputs / 32);
  pad(leasts, inputs / 32);
}

void unpack_q5_0(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts) {
  for (int64_t b = 0; b < inputs / 32; ++b, row += 22) {
    scales[b] = half_at(row);
    leasts[b] = -16.0f * scales[b];
    split_nibbles(row + 6, q + 32 * b);
    add_fifth_bits(row + 2, q + 32 * b);
  }
  pad(scales, inputs / 32);
  pad(leasts, inputs / 32);
}

void unpack_q5_1(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts) {
  for (int64_t b = 0; b < inputs / 32; ++b, row += 24) {
    scales[b] = half_at(row);
    leasts[b] = half_at(row + 2);
    split_nibbles(row + 8, q + 32 * b);
    add_fifth_bits(row + 4, q + 32 * b);
  }
  pad(scales, inputs / 32);
  pad(leasts, inputs / 32);
}

void unpack_q8_0(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float*) {
  for (int64_t b = 0; b < inputs / 32; ++b, row += 34) {
    scales[b] = half_at(row);
    memcpy(q + 32 * b, row + 2, 32);
  }
  pad(scales, inputs / 32);
}

void unpack_q2_k(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts) {
  for (int64_t b = 0; b < inputs / 256; ++b, row += 84, q += 256) {
    const float scale = half_at(row + 80), least = half_at(row + 82);
    for (int sub = 0; sub < 16; ++sub) {
      scales[16 * b + sub] = scale * static_cast<float>(row[sub] & 15);
      leasts[16 * b + sub] = -(least * static_cast<float>(row[sub] >> 4));
    }
    for (int pair = 0; pair < 8; ++pair) {  // two sub-blocks share a shift and 32 bytes
      for (int l = 0; l < 32; l += 16) {
        const Block16 packed = load_bytes(row + 16 + 32 * (pair / 4) + l);
        store_bytes(q + 32 * pair + l, packed >> static_cast<uint8_t>(2 * (pair % 4)) & 3);
      }
    }
  }
  pad(scales, inputs / 16);
  pad(leasts, inputs / 16);
}

void unpack_q3_k(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts) {
  for (int64_t b = 0; b < inputs / 256; ++b, row += 110, q += 256) {
    const float scale = half_at(row + 108);
    const uint8_t* packed_scales = row + 96;
    for (int sub = 0; sub < 16; ++sub) {
      const int low = sub < 8 ? packed_scales[sub] & 15 : packed_scales[sub - 8] >> 4;
      const int high = packed_scales[8 + sub % 4] >> (2 * (sub / 4)) & 3;
      const float sub_scale = scale * static_cast<float>((low | high << 4) - 32);
      scales[16 * b + sub] = sub_scale;
      leasts[16 * b + sub] = -4.0f * sub_scale;
    }
    for (int pair = 0; pair < 8; ++pair) {
      for (int l = 0; l < 32; l += 16) {
        const Block16 low =
            load_bytes(row + 32 + 32 * (pair / 4) + l) >> static_cast<uint8_t>(2 * (pair % 4)) & 3;
        const Block16 high = load_bytes(row + l) >> static_cast<uint8_t>(pair) & 1;
        store_bytes(q + 32 * pair + l, low | high << 2);
      }
    }
  }
  pad(scales, inputs / 16);
  pad(leasts, inputs / 16);
}

void unpack_q4_k(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts) {
  for (int64_t b = 0; b < inputs / 256; ++b, row += 144) {
    unpack_q45_k_block(row, nullptr, row + 16, q + 256 * b, scales + 8 * b, leasts + 8 * b);
  }
}

void unpack_q5_k(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts) {
  for (int64_t b = 0; b < inputs / 256; ++b, row += 176) {
    unpack_q45_k_block(row, row + 16, row + 48, q + 256 * b, scales + 8 * b, leasts + 8 * b);
  }
}

void unpack_q6_k(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts) {
  for (int64_t b = 0; b < inputs / 256; ++b, row += 210) {
    const float scale = half_at(row + 208);
    for (int sub = 0; sub < 16; ++sub) {
      scales[16 * b + sub] = scale * static_cast<float>(static_cast<int8_t>(row[192 + sub]));
      leasts[16 * b + sub] = -32.0f * scales[16 * b + sub];
    }
    for (int half = 0; half < 2; ++half) {
      const uint8_t* low = row + 64 * half;
      const uint8_t* high = row + 128 + 32 * half;
      uint8_t* out = q + 256 * b + 128 * half;
      for (int l = 0; l < 32; l += 16) {
        const Block16 first = load_bytes(low + l), second = load_bytes(low + l + 32),
                      top = load_bytes(high + l);
        store_bytes(out + l, (first & 15) | (top & 3) << 4);
        store_bytes(out + l + 32, (second & 15) | (top >> 2 & 3) << 4);
        store_bytes(out + l + 64, first >> 4 | (top >> 4 & 3) << 4);
        store_bytes(out + l + 96, second >> 4 | (top >> 6) << 4);
      }
    }
  }
  pad(scales, inputs / 16);
  pad(leasts, inputs / 16);
}

void unpack_iq4_nl(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float*) {
  for (int64_t b = 0; b < inputs / 32; ++b, row += 18) {
    scales[b] = half_at(row);
    look_up_nibbles(kIq4Values, row + 2, q + 32 * b);
  }
  pad(scales, inputs / 32);
}

void unpack_iq4_xs(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float*) {
  for (int64_t b = 0; b < inputs / 256; ++b, row += 136) {
    const float scale = half_at(row);
    const int high = row[2] | row[3] << 8;
    for (int sub = 0; sub < 8; ++sub) {
      const int low = row[4 + sub / 2] >> (4 * (sub & 1)) & 15;
      scales[8 * b + sub] = scale * static_cast<float>((low | (high >> (2 * sub) & 3) << 4) - 32);
      look_up_nibbles(kIq4Values, row + 8 + 16 * sub, q + 256 * b + 32 * sub);
    }
  }
}

void unpack_mxfp4(const uint8_t* row, int64_t inputs, uint8_t* q, float* scales, float* leasts) {
  for (int64_t b = 0; b < inputs / 32; ++b, row += 17) {
    // 2^(e - 128): exponents 0 and 1 are the subnormal 2^-128 and 2^-127.
    const uint32_t bits = row[0] < 2 ? 0x00200000u << row[0] : static_cast<uint32_t>(row[0] - 1) << 23;
    memcpy(scales + b, &bits, sizeof bits);
    leasts[b] = -12.0f * scales[b];
    look_up_nibbles(kE2m1Raised, row + 1, q + 32 * b);
  }
  pad(scales, inputs / 32);
  pad(leasts, inputs / 32);
}

}  // namespace oag::cpu::OAG_ISA
