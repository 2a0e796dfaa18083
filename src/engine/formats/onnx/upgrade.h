#pragma once

#include <cstdint>

#include "engine/graph/graph.h"

namespace oag {

// Appends to `graph` what `node`, as a model of that opset of the node's domain means it, is in the newest
// operators; the ids in node.outputs are made by the appended nodes. A node that is in its newest form is
// appended as it is.
void append_upgraded(Graph& graph, Node node, int64_t opset);

}  // namespace oag
