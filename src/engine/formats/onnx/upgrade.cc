#include "engine/formats/onnx/upgrade.h"

#include <utility>

#include "base/error.h"
#include "engine/formats/onnx/old_node.h"
#include "engine/formats/onnx/upgrade_table.h"

namespace oag {

void check_opset(std::string_view domain, int64_t opset, std::string_view where) {
  const bool is_ml = domain == "ai.onnx.ml";
  if (!is_ml && !domain.empty()) return;
  const std::string_view name = is_ml ? domain : "ai.onnx";
  const int64_t newest = is_ml ? kNewestMlOpset : kNewestOpset;
  if (opset > newest) {
    fail(ErrorCode::kUnsupported, where,
         "opset {} of {} is newer than the newest known, {}: export the model with at most that", opset, name,
         newest);
  }
  if (opset < 1) fail(ErrorCode::kCorruptData, where, "opset {} of {}; they begin at 1", opset, name);
}

void append_upgraded(Graph& graph, Node node, int64_t opset) {
  check_opset(node.domain, opset, node.name);
  const OperatorHistory* history = find_history(node.domain, node.op);
  if (history == nullptr || opset >= history->current_from || history->upgrade == nullptr) {
    graph.nodes.push_back(std::move(node));
    return;
  }
  OldNode old(graph, std::move(node), opset);
  old.erase("consumed_inputs");  // said which inputs a runtime may write on; opsets 1 to 5
  history->upgrade(old);
}

}  // namespace oag
