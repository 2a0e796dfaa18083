#pragma once

#include <stdint.h>

#include "engine/backends/cpu/micro_kernels.h"

namespace oag::cpu {

// One panel of 8-bit levels u in [0, 255] (signed ones plus 128) as two planes, so that products with the
// upper five bits need not read the lower three. A record of `high` for every 32 inputs: bits 4..7 of steps
// 0..3 in the low and of steps 4..7 in the high halves of 4 vectors, bit 3 of step s as bit s of a fifth,
// then f16 scales. A record of `low`: bits 0..1 of steps 0..3 and of 4..7 in a vector each, bit 2 of step s
// as bit s of a third. Vectors are those of PackedRows.
struct SplitPanel {
  const uint8_t* high;
  const uint8_t* low;  // null: 3.5 stands for the lower three bits
  int64_t inputs;
};
inline constexpr int64_t split_high_bytes(int lanes) {
  return lanes * 22;
}
inline constexpr int64_t split_low_bytes(int lanes) {
  return lanes * 12;
}

// y[t * lanes + r] of a panel's rows; with both planes what packed_dot gives, bit for bit.
using SplitDot = void (*)(const SplitPanel& panel, const uint8_t* tile, int tokens, float* y);

}  // namespace oag::cpu
