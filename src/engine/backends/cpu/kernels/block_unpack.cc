// Stored rows of every block format -> levels, and scales and least values per group. Layouts:
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

// Q4_K and Q5_K pack eight 6-bit scales and eight 6-bit leasts into 12 bytes.
void unpack_six_bits(const uint8_t* packed, uint8_t* scales, uint8_t* leasts) {
  for (int k = 0; k < 4; ++k) {
    scales[k] = packed[k] & 63;
    leasts[k] = packed[k + 4] & 63;
    scales[k + 4] = static_cast<uint8_t>((packed[k + 8] & 15) | packed[k] >> 6 << 4);
    leasts[k + 4] = static_cast<uint8_t>(packed[k + 8] >> 4 | packed[k + 4] >> 6 << 4);
  }
}

// The numbers of one block, by group; the stored least is taken away, so its sign turns.
void unpack_q45_k_numbers(const uint8_t* block, int64_t b, const RowNumbers& to) {
  to.super_scales[b] = half_at(block);
  to.super_leasts[b] = -half_at(block + 2);
  uint8_t scales[8], leasts[8];
  unpack_six_bits(block + 4, scales, leasts);
  for (int k = 0; k < 8; ++k) {
    to.scales[8 * b + k] = scales[k];
    to.leasts[8 * b + k] = leasts[k];
  }
}

// `high_bits` is null for Q4_K.
void unpack_q45_k_levels(const uint8_t* high_bits, const uint8_t* packed, uint8_t* q) {
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

void unpack_q4_0(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to) {
  for (int64_t b = 0; b < inputs / 32; ++b, row += 18) {
    to.scales[b] = half_at(row);
    split_nibbles(row + 2, q + 32 * b);
  }
}

void unpack_q4_1(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to) {
  for (int64_t b = 0; b < inputs / 32; ++b, row += 20) {
    to.scales[b] = half_at(row);
    to.leasts[b] = half_at(row + 2);
    split_nibbles(row + 4, q + 32 * b);
  }
}

void unpack_q5_0(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to) {
  for (int64_t b = 0; b < inputs / 32; ++b, row += 22) {
    to.scales[b] = half_at(row);
    split_nibbles(row + 6, q + 32 * b);
    add_fifth_bits(row + 2, q + 32 * b);
  }
}

void unpack_q5_1(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to) {
  for (int64_t b = 0; b < inputs / 32; ++b, row += 24) {
    to.scales[b] = half_at(row);
    to.leasts[b] = half_at(row + 2);
    split_nibbles(row + 8, q + 32 * b);
    add_fifth_bits(row + 4, q + 32 * b);
  }
}

void unpack_q8_0(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to) {
  for (int64_t b = 0; b < inputs / 32; ++b, row += 34) {
    to.scales[b] = half_at(row);
    memcpy(q + 32 * b, row + 2, 32);
  }
}

void unpack_q2_k(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to) {
  for (int64_t b = 0; b < inputs / 256; ++b, row += 84, q += 256) {
    to.super_scales[b] = half_at(row + 80);
    to.super_leasts[b] = -half_at(row + 82);
    for (int sub = 0; sub < 16; ++sub) {
      to.scales[16 * b + sub] = static_cast<float>(row[sub] & 15);
      to.leasts[16 * b + sub] = static_cast<float>(row[sub] >> 4);
    }
    for (int pair = 0; pair < 8; ++pair) {  // two sub-blocks share a shift and 32 bytes
      for (int l = 0; l < 32; l += 16) {
        const Block16 packed = load_bytes(row + 16 + 32 * (pair / 4) + l);
        store_bytes(q + 32 * pair + l, packed >> static_cast<uint8_t>(2 * (pair % 4)) & 3);
      }
    }
  }
}

void unpack_q3_k(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to) {
  for (int64_t b = 0; b < inputs / 256; ++b, row += 110, q += 256) {
    to.super_scales[b] = half_at(row + 108);
    const uint8_t* packed_scales = row + 96;
    for (int sub = 0; sub < 16; ++sub) {
      const int low = sub < 8 ? packed_scales[sub] & 15 : packed_scales[sub - 8] >> 4;
      const int high = packed_scales[8 + sub % 4] >> (2 * (sub / 4)) & 3;
      to.scales[16 * b + sub] = static_cast<float>((low | high << 4) - 32);
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
}

void unpack_q4_k(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to) {
  for (int64_t b = 0; b < inputs / 256; ++b, row += 144) {
    unpack_q45_k_numbers(row, b, to);
    unpack_q45_k_levels(nullptr, row + 16, q + 256 * b);
  }
}

void unpack_q5_k(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to) {
  for (int64_t b = 0; b < inputs / 256; ++b, row += 176) {
    unpack_q45_k_numbers(row, b, to);
    unpack_q45_k_levels(row + 16, row + 48, q + 256 * b);
  }
}

void unpack_q6_k(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to) {
  for (int64_t b = 0; b < inputs / 256; ++b, row += 210) {
    to.super_scales[b] = half_at(row + 208);
    for (int sub = 0; sub < 16; ++sub)
      to.scales[16 * b + sub] = static_cast<float>(static_cast<int8_t>(row[192 + sub]));
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
}

void unpack_iq4_nl(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to) {
  for (int64_t b = 0; b < inputs / 32; ++b, row += 18) {
    to.scales[b] = half_at(row);
    split_nibbles(row + 2, q + 32 * b);
  }
}

void unpack_iq4_xs(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to) {
  for (int64_t b = 0; b < inputs / 256; ++b, row += 136) {
    to.super_scales[b] = half_at(row);
    const int high = row[2] | row[3] << 8;
    for (int sub = 0; sub < 8; ++sub) {
      const int low = row[4 + sub / 2] >> (4 * (sub & 1)) & 15;
      to.scales[8 * b + sub] = static_cast<float>((low | (high >> (2 * sub) & 3) << 4) - 32);
      split_nibbles(row + 8 + 16 * sub, q + 256 * b + 32 * sub);
    }
  }
}

void unpack_mxfp4(const uint8_t* row, int64_t inputs, uint8_t* q, const RowNumbers& to) {
  for (int64_t b = 0; b < inputs / 32; ++b, row += 17) {
    to.scales[b] = static_cast<float>(row[0] - 128);  // the table has twice the values: 2^(e - 128)
    split_nibbles(row + 1, q + 32 * b);
  }
}

}  // namespace oag::cpu::OAG_ISA
