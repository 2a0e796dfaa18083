#pragma once

#include <span>

#include "engine/ops/kernel.h"

namespace oag {

// All elements of `tensor` in double, in workspace memory: valid until the kernel returns. Empty when the run
// was stopped.
std::span<double> widened(KernelEnv& env, const Tensor& tensor);

// Workspace for `count` values, unset.
std::span<double> workspace_of(KernelEnv& env, int64_t count);

// Calls work(first, count) for pieces of [0, total) of at most `piece` each, maybe in parallel. False when
// the run was stopped.
bool for_pieces(KernelEnv& env, int64_t total, int64_t piece, int64_t ns_per_item,
                FunctionRef<void(int64_t, int64_t)> work);

}  // namespace oag
