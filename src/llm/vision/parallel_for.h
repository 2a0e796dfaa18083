#pragma once

#include <cstdint>

#include "base/function_ref.h"

namespace oag {

// Calls work(i) for each i in [0, count), in any order, from any threads, and returns when all have ended.
// One that stops early (cancelled) leaves the result incomplete: who gave it knows, and throws the result
// away.
using ParallelFor = FunctionRef<void(int64_t count, FunctionRef<void(int64_t)> work)>;

// The calling thread alone.
inline constexpr auto kOnCaller = [](int64_t count, FunctionRef<void(int64_t)> work) {
  for (int64_t i = 0; i < count; ++i) work(i);
};

}  // namespace oag
