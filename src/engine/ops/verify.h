#pragma once

#include "engine/ops/schema.h"

namespace oag {

// Checks every node against its schema (operator known, input count, element types, attributes), in
// topological order, and sets the type of every value. Errors: kInvalidArgument or kUnsupported naming node
// and value.
void infer_types(Graph& graph, const OperatorRegistry& registry = OperatorRegistry::builtin());

}  // namespace oag
