#pragma once

#include "base/error.h"
#include "engine/ops/schema.h"

namespace oag {

// Checks every node against its schema (operator known, input count, element types, attributes), in
// topological order, and sets the type of every value. Each value must be defined once and before its uses;
// what a node updates in place must be no constant, and later nodes must use the updated value. Errors:
// kInvalidArgument or kUnsupported naming node and value.
void infer_types(Graph& graph, const OperatorRegistry& registry = OperatorRegistry::builtin());

// Of a node whose operator no schema describes: what is missing, and what to do.
std::string unknown_operator(const Node& node);

// Throws the error again, which then names the node if it named none.
[[noreturn]] void throw_at(const Node& node, const Error& error);

// Sets the types of what one node computes, of which is refused what is larger than any memory. Errors name
// the node.
void infer_node(Graph& graph, const Node& node, const OpSchema& schema, const OperatorRegistry& registry);

// Infers the types of what the nodes from number `first` on compute, as far as that can be said while the
// graph is still being built: nodes that do not fit their schema are passed over, their outputs stay as they
// are.
void infer_types_so_far(Graph& graph, size_t first,
                        const OperatorRegistry& registry = OperatorRegistry::builtin());

}  // namespace oag
