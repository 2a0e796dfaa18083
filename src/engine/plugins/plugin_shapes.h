#pragma once

#include "engine/plugins/plugin_operator.h"

namespace oag {

// Calls the operator's shape function and gives its node's outputs their types. Errors: kInvalidArgument
// naming the node, with what the plugin says or did wrong.
void infer_plugin_shapes(const PluginOperator& op, InferenceContext& context);

// The functions of oag_plugin_host that are about shapes.
void add_shape_functions(oag_plugin_host& host);

}  // namespace oag
