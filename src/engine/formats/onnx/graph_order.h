#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/formats/onnx/onnx_messages.h"

namespace oag {

// Finds `order` and `free_names` of the graph and of all graphs within. Nodes that are in order stay where
// they are. Errors: kCorruptData for a name that two things define, and for nodes that wait for each other,
// naming `where` and a node.
void order_graph(GraphMessage& graph, const std::string& where);

// The names that the graphs among the node's attributes use of the graph around them, in order of first use.
std::vector<std::string_view> captured_names(const NodeMessage& node);

// "node conv1 (Conv)", for errors.
std::string describe(const NodeMessage& node);

}  // namespace oag
