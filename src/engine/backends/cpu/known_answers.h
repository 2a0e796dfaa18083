#pragma once

#include <span>
#include <string_view>

#include "engine/backends/cpu/isa.h"

namespace oag::cpu {

struct MicroKernels;

// Runs every family of inner loops on a few values and compares with scalar code: a processor, an emulator or
// a compiler that computes something else must not go unnoticed. Of the block formats there is one for each
// kind of level and of number, of the token counts one, an odd and an even one. Takes about half a
// millisecond. Returns the name of the first that is wrong; empty when all are right.
std::string_view wrong_kernel(const MicroKernels& micro);

// The last of `candidates` (weakest first) whose kernels are right; each better one that is not is warned of
// in one line. Errors: kInternal when none is right.
Isa best_right(std::span<const Isa> candidates, SelfTest test);

}  // namespace oag::cpu
