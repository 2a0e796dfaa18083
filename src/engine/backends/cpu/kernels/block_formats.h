#pragma once

#include "engine/backends/cpu/kernels/functions.h"
#include "engine/backends/cpu/kernels/vec.h"

// Every block format as this instruction set packs it. To have a format here is all that its kernels need.
namespace oag::cpu::OAG_ISA {

// Signed levels where the set's products are of unsigned ones are packed as level + 128.
inline constexpr int kByteLeast = kSignedLevels ? 0 : -128;

inline constexpr uint8_t signed_entry(int value) {
  return static_cast<uint8_t>(value - kByteLeast);
}
inline constexpr uint8_t kIq4Table[16] = {
    signed_entry(-127), signed_entry(-104), signed_entry(-83), signed_entry(-65),
    signed_entry(-49),  signed_entry(-35),  signed_entry(-22), signed_entry(-10),
    signed_entry(1),    signed_entry(13),   signed_entry(25),  signed_entry(38),
    signed_entry(53),   signed_entry(69),   signed_entry(89),  signed_entry(113)};
// Twice the E2M1 values plus 12, so that none is negative.
inline constexpr uint8_t kE2m1Table[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

inline constexpr int kTableBits = kLooksUp ? 4 : 8;

// dtype, bits, table, value bits, groups, numbers, own leasts, else least per scale, unpack
inline constexpr BlockFormat kFormats[kBlockFormatCount] = {
    {DType::kQ4_0, 4, nullptr, 4, 1, Numbers::kF16, false, -8, unpack_q4_0},
    {DType::kQ4_1, 4, nullptr, 4, 1, Numbers::kF16, true, 0, unpack_q4_1},
    {DType::kQ5_0, 5, nullptr, 5, 1, Numbers::kF16, false, -16, unpack_q5_0},
    {DType::kQ5_1, 5, nullptr, 5, 1, Numbers::kF16, true, 0, unpack_q5_1},
    {DType::kQ8_0, 8, nullptr, 8, 1, Numbers::kF16, false, kByteLeast, unpack_q8_0},
    {DType::kQ2_K, 2, nullptr, 2, 2, Numbers::kNibbles, true, 0, unpack_q2_k},
    {DType::kQ3_K, 3, nullptr, 3, 2, Numbers::kBytes, false, -4, unpack_q3_k},
    {DType::kQ4_K, 4, nullptr, 4, 1, Numbers::kBytes, true, 0, unpack_q4_k},
    {DType::kQ5_K, 5, nullptr, 5, 1, Numbers::kBytes, true, 0, unpack_q5_k},
    {DType::kQ6_K, 6, nullptr, 6, 2, Numbers::kBytes, false, -32, unpack_q6_k},
    {DType::kIQ4_NL, kTableBits, kIq4Table, 8, 1, Numbers::kF16, false, kByteLeast, unpack_iq4_nl},
    {DType::kIQ4_XS, kTableBits, kIq4Table, 8, 1, Numbers::kBytes, false, kByteLeast, unpack_iq4_xs},
    {DType::kMXFP4, kTableBits, kE2m1Table, 5, 1, Numbers::kPowers, false, -12, unpack_mxfp4}};

}  // namespace oag::cpu::OAG_ISA
