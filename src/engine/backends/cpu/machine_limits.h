#pragma once

#include "base/compute_pool.h"
#include "engine/backends/cpu/isa.h"
#include "engine/device/device.h"

namespace oag::cpu {

// What this machine can do with all threads of a pool. Bandwidth is that of reading 512 MiB; the int8 rate
// that of the loop that the block-format kernels use. Medians of several samples, each limit within 0.5 s of
// measuring. Needs 512 MiB of memory for that long. Errors: kOutOfMemory.
MachineLimits measure_machine_limits(Isa isa, ComputePool& pool);

}  // namespace oag::cpu
