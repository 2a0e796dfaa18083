#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/session/program.h"

namespace oag {

// Where each value of one program lies for one set of concrete dims. Values that live at different times
// share bytes.
struct MemoryPlan {
  std::vector<std::optional<Dims>> dims;  // per value; nothing when they depend on data
  std::vector<int64_t> offsets;           // per value, bytes into the arena; -1 when it is not in the arena
  size_t arena_bytes = 0;
};

// Lays out the intermediate values: each gets the best-fitting gap that is free during its whole life.
// Constants, graph inputs, graph outputs, views and in-place updates take no arena memory of their own.
MemoryPlan plan_memory(const Program& program, const DimBindings& bindings);

}  // namespace oag
