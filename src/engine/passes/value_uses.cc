#include "engine/passes/value_uses.h"

#include <utility>

namespace oag {

ValueUses::ValueUses(const Graph& graph) : producers_(graph.producers()), users_(graph.value_count(), -1) {
  const std::vector<int> counts = graph.use_counts();
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const ValueId input : graph.nodes[i].inputs) {
      if (input != kNoValue && counts[static_cast<size_t>(input)] == 1)
        users_[static_cast<size_t>(input)] = static_cast<int>(i);
    }
  }
}

void erase_nodes(Graph& graph, const std::vector<bool>& gone) {
  std::vector<Node> kept;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!gone[i]) kept.push_back(std::move(graph.nodes[i]));
  }
  graph.nodes = std::move(kept);
}

std::optional<float> constant_number(const Graph& graph, ValueId value) {
  if (value == kNoValue) return std::nullopt;
  const auto& constant = graph.value(value).constant;
  if (!constant || constant->dtype() != DType::kF32 || constant->count() != 1) return std::nullopt;
  return constant->values<float>()[0];
}

}  // namespace oag
