#pragma once

#include <cstdint>

#include "engine/backends/cpu/isa.h"

namespace oag::cpu {

// The inner loops that differ by instruction set: one table per set, filled by kernels/<file>.cc compiled once for
// each. They are plain functions over pointers, so that nothing compiled for a newer processor leaks into shared code.
struct MicroKernels {
  const char* isa;
};

// Errors: none; `isa` is one of available_isas().
const MicroKernels& micro_kernels(Isa isa);

}  // namespace oag::cpu
