// Identity(x) -> x, but for outputs of the graph, which keep their names.
#include <algorithm>

#include "engine/passes/pass.h"
#include "engine/passes/value_uses.h"

namespace oag {
namespace {

bool eliminate_identity(Graph& graph, const PassContext&) {
  std::vector<ValueId> same(graph.value_count());
  for (size_t i = 0; i < same.size(); ++i) same[i] = static_cast<ValueId>(i);
  std::vector<bool> gone(graph.nodes.size(), false);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    Node& node = graph.nodes[i];
    for (ValueId& input : node.inputs) {
      if (input != kNoValue) input = same[static_cast<size_t>(input)];
    }
    if (!node.domain.empty() || node.op != "Identity") continue;
    if (std::ranges::find(graph.outputs, node.outputs[0]) != graph.outputs.end()) continue;
    same[static_cast<size_t>(node.outputs[0])] = node.inputs[0];
    gone[i] = true;
  }
  if (std::ranges::find(gone, true) == gone.end()) return false;
  erase_nodes(graph, gone);
  return true;
}

}  // namespace

extern constinit const Pass kEliminateIdentity = {"eliminate_identity", eliminate_identity};

}  // namespace oag
