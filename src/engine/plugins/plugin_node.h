#pragma once

#include "engine/graph/graph.h"
#include "openautoglm/plugin_abi.h"

// What plugins hold in their hands of a node.
struct oag_node {
  const oag::Node& node;
};

namespace oag {

// False when the plugin's struct is smaller than any version was.
bool fill_tensor(const Tensor& tensor, oag_tensor& out);

// The functions of oag_plugin_host that are about nodes.
void add_node_functions(oag_plugin_host& host);

}  // namespace oag
