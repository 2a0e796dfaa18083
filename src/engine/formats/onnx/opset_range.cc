#include "engine/formats/onnx/opset_range.h"

#include <algorithm>

#include "engine/formats/onnx/upgrade_table.h"

namespace oag {
namespace {

void widen(const Graph& graph, std::map<std::string, OpsetRange, std::less<>>& ranges) {
  for (const Node& node : graph.nodes) {
    OpsetRange& range = ranges[node.domain];
    if (const OperatorHistory* history = find_history(node.domain, node.op)) {
      range.least = std::max(range.least, std::min(history->current_from, history->newest));
      range.newest = std::max(range.newest, history->newest);
    }
    for (const auto& [name, attribute] : node.attributes) {
      if (const auto* body = std::get_if<GraphPtr>(&attribute)) widen(**body, ranges);
    }
  }
}

}  // namespace

std::map<std::string, OpsetRange, std::less<>> opset_ranges(const Graph& graph) {
  std::map<std::string, OpsetRange, std::less<>> ranges;
  widen(graph, ranges);
  return ranges;
}

}  // namespace oag
