#pragma once

#include "base/compute_pool.h"
#include "engine/backends/cpu/isa.h"

namespace oag::cpu {

// What this machine can do with all threads of a pool: what a kernel's speed is measured against.
struct MachineLimits {
  double bandwidth_gb_s = 0;  // reading memory, over 512 MiB; 10^9 bytes
  double f32_gflop_s = 0;     // two operations per multiply-add
  double int8_gop_s = 0;      // the same, in the loop that the block-format kernels use
};

// Medians of several samples, each limit within 0.5 s of measuring. Needs 512 MiB of memory for that long.
// Errors: kOutOfMemory.
MachineLimits measure_machine_limits(Isa isa, ComputePool& pool);

}  // namespace oag::cpu
