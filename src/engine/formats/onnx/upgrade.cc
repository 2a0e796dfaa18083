#include "engine/formats/onnx/upgrade.h"

#include <utility>

namespace oag {

void append_upgraded(Graph& graph, Node node, int64_t) {
  graph.nodes.push_back(std::move(node));
}

}  // namespace oag
