#pragma once

#include <cstdint>
#include <string_view>

#include "engine/graph/graph.h"

namespace oag {

// The newest opsets whose operators are known: of ai.onnx (domain "") and of ai.onnx.ml.
inline constexpr int64_t kNewestOpset = 28;
inline constexpr int64_t kNewestMlOpset = 5;

// Refuses opsets of "" and "ai.onnx.ml" that are newer than those, or below 1; other domains have none.
// Errors: kUnsupported (newer), kCorruptData (below 1), naming `where`.
void check_opset(std::string_view domain, int64_t opset, std::string_view where);

// Appends to `graph` what `node` says in a model that imports `opset` of the node's domain, in the newest
// operators. The appended nodes make the ids in node.outputs; values and constants that they need on top are
// named after the node. What a rewrite has to know of its inputs (ranks, element types) is taken from the
// types that graph.value() already has, and computed at run time where these are unknown; a subgraph in an
// attribute has been upgraded before. Nodes of other domains, and of operators that ONNX does not know, are
// appended as they are.
// Errors: those of check_opset; kInvalidArgument for inputs or attributes that the old definition demands;
// kUnsupported for what no newest operator can say, naming node, attribute and value.
void append_upgraded(Graph& graph, Node node, int64_t opset);

}  // namespace oag
