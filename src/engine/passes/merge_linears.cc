// Linear nodes of one x -> oag.MultiLinear, so that x is prepared once and one parallel region computes them
// all.
#include <map>

#include "engine/passes/pass.h"
#include "engine/tensor/block_format.h"

namespace oag {
namespace {

bool is_linear(const Graph& graph, const Node& node) {
  if (node.domain != "oag" || node.op != "Linear" || node.int_attribute("many_rows", 0) != 0) return false;
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    // Others may be computed between the nodes.
    if (node.inputs[i] != kNoValue && !graph.value(node.inputs[i]).constant) return false;
  }
  return true;
}

Node merged(const Graph& graph, const std::vector<size_t>& members) {
  Node all{"oag", "MultiLinear", "", {}, {}, {}};
  for (const size_t member : members) {
    const Node& node = graph.nodes[member];
    all.name += (all.name.empty() ? "" : "+") + node.name;
    if (all.inputs.empty()) all.inputs.push_back(node.inputs[0]);
    all.inputs.push_back(node.inputs[1]);
    all.inputs.push_back(node.inputs.size() > 2 ? node.inputs[2] : kNoValue);
    all.outputs.push_back(node.outputs[0]);
  }
  return all;
}

bool has_kernel(const Graph& graph, const Node& node, const TargetTraits& target) {
  std::vector<DType> dtypes;
  for (const ValueId input : node.inputs)
    dtypes.push_back(input == kNoValue ? DType::kUndefined : graph.value(input).type.dtype);
  return target.has_kernel(node.domain, node.op, dtypes);
}

bool merge_linears(Graph& graph, const PassContext& context) {
  // A router in f32 beside experts in blocks does not keep these apart.
  std::map<std::pair<ValueId, bool>, std::vector<size_t>> by_input;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (!is_linear(graph, node)) continue;
    by_input[{node.inputs[0], is_block_format(graph.value(node.inputs[1]).type.dtype)}].push_back(i);
  }
  std::vector<bool> gone(graph.nodes.size(), false);
  bool changed = false;
  for (const auto& [key, members] : by_input) {
    if (members.size() < 2) continue;
    Node all = merged(graph, members);
    if (!has_kernel(graph, all, *context.target)) continue;
    graph.nodes[members[0]] = std::move(all);
    for (size_t i = 1; i < members.size(); ++i) gone[members[i]] = true;
    changed = true;
  }
  if (!changed) return false;
  std::vector<Node> kept;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!gone[i]) kept.push_back(std::move(graph.nodes[i]));
  }
  graph.nodes = std::move(kept);
  return true;
}

}  // namespace

extern constinit const Pass kMergeLinears = {"merge_linears", merge_linears, true};

}  // namespace oag
