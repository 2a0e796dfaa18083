#pragma once

#include <memory>

#include "engine/plugins/plugin_operator.h"

namespace oag {

// Makes the plugin's kernel of a node. It computes in memory of its own, between bytes whose change gives it
// away; what it made is checked and then copied to where the run wants it. Errors: kInvalidArgument naming
// the node, with what the plugin says or did wrong, of this and of the kernel's runs.
std::unique_ptr<CustomKernel> make_plugin_kernel(const PluginOperator& op, const oag_kernel& kernel,
                                                 const Graph& graph, const Node& node);

// The functions of oag_plugin_host that are about runs.
void add_run_functions(oag_plugin_host& host);

}  // namespace oag
