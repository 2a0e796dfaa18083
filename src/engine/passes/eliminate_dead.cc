// Removes nodes whose outputs nothing uses.
#include "engine/passes/pass.h"

namespace oag {
namespace {

bool eliminate_dead(Graph& graph, const PassContext&) {
  std::vector<int> uses = graph.use_counts();
  std::vector<bool> keep(graph.nodes.size(), true);
  bool changed = false;
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    bool used = false;
    for (const ValueId output : node.outputs)
      used = used || (output != kNoValue && uses[static_cast<size_t>(output)] > 0);
    if (used) continue;
    keep[i] = false;
    changed = true;
    for (const ValueId input : node.inputs) {
      if (input != kNoValue) --uses[static_cast<size_t>(input)];
    }
  }
  if (!changed) return false;
  std::vector<Node> kept;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (keep[i]) kept.push_back(std::move(graph.nodes[i]));
  }
  graph.nodes = std::move(kept);
  return true;
}

}  // namespace

extern constinit const Pass kEliminateDead = {"eliminate_dead", eliminate_dead};

}  // namespace oag
