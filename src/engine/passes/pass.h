#pragma once

#include <span>
#include <string_view>

#include "engine/graph/graph.h"
#include "engine/ops/schema.h"
#include "engine/ops/target_traits.h"
#include "engine/passes/node_placement.h"

namespace oag {

struct PassContext {
  const OperatorRegistry& registry;
  const TargetTraits* target = nullptr;  // of the partition being rewritten; null before partitioning
  DType cache_dtype = DType::kF16;       // storage of attention caches: f32, f16 or q8_0
  int64_t cache_page_tokens = 32;
  NodePlacement* placement = nullptr;  // null when every node stays
};

// A rewrite of a graph that keeps its meaning. Types are inferred before it runs, and again after it changed
// something.
struct Pass {
  std::string_view name;
  bool (*run)(Graph& graph, const PassContext& context);  // true when something changed
  bool per_target = false;  // runs after partitioning and asks the target's traits
};

// Every pass of pass_list.inc, in the order in which they run.
std::span<const Pass* const> all_passes();

// Runs the passes (those that are per target only when context.target is set) and infers types after each
// change.
void run_passes(Graph& graph, const PassContext& context);

}  // namespace oag
