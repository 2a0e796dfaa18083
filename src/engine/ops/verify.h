#pragma once

#include "engine/ops/schema.h"

namespace oag {

// Checks every node against its schema (operator known, input count, element types, attributes), in
// topological order, and sets the type of every value. Each value must be defined once and before its uses;
// what a node updates in place must be no constant, and later nodes must use the updated value. Errors:
// kInvalidArgument or kUnsupported naming node and value.
void infer_types(Graph& graph, const OperatorRegistry& registry = OperatorRegistry::builtin());

}  // namespace oag
