// Conv with constant weights, then Add of a value of the same dims, an activation, and Mul and Add of one
// number, each where it follows -> oag.FusedConv, which writes its output once.
#include <limits>
#include <string>

#include "engine/ops/fused_conv.h"
#include "engine/passes/pass.h"
#include "engine/passes/value_uses.h"

namespace oag {
namespace {

class ConvChain {
 public:
  ConvChain(const Graph& graph, const ValueUses& uses, size_t conv, const std::vector<bool>& gone)
      : graph_(graph), uses_(uses), gone_(gone), fused_(graph.nodes[conv]), last_(conv) {
    taken_.push_back(conv);
    const bool adds = take(&ConvChain::add), activates = take(&ConvChain::activate);
    worth_ = adds || activates;
    if (!worth_) return;
    take(&ConvChain::scale);
    take(&ConvChain::shift);
    fused_.domain = "oag";
    fused_.op = "FusedConv";
    fused_.outputs = graph.nodes[last_].outputs;
  }

  bool worth() const { return worth_; }
  size_t last() const { return last_; }
  const std::vector<size_t>& taken() const { return taken_; }
  Node&& fused() { return std::move(fused_); }

 private:
  ValueId value() const { return graph_.nodes[last_].outputs[0]; }

  bool take(bool (ConvChain::*part)(const Node&)) {
    const int user = uses_.only_user(value());
    if (user < 0 || gone_[static_cast<size_t>(user)]) return false;
    const Node& node = graph_.nodes[static_cast<size_t>(user)];
    if (!node.domain.empty() || !(this->*part)(node)) return false;
    last_ = static_cast<size_t>(user);
    taken_.push_back(last_);
    return true;
  }

  ValueId other_input(const Node& node) const { return node.inputs[node.inputs[0] == value() ? 1 : 0]; }
  bool keeps_shape(const Node& node) const {
    const auto& shape = graph_.value(value()).type.shape;
    return shape && shape == graph_.value(node.outputs[0]).type.shape;
  }

  bool add(const Node& node) {
    if (node.op != "Add") return false;
    const ValueId other = other_input(node);
    const ValueType& type = graph_.value(value()).type;
    if (!type.shape || graph_.value(other).type.shape != type.shape) return false;
    fused_.inputs.resize(4, kNoValue);
    fused_.inputs[3] = other;
    return true;
  }
  bool activate(const Node& node) {
    const FusedActivation* activation = fused_activation(node.op);
    if (activation == nullptr) return false;
    std::vector<float> params;
    if (node.op == "Clip") {
      constexpr float kInfinity = std::numeric_limits<float>::infinity();
      for (size_t i = 1; i < 3; ++i) {
        const bool given = i < node.inputs.size() && node.inputs[i] != kNoValue;
        const auto bound = given ? constant_number(graph_, node.inputs[i]) : i == 1 ? -kInfinity : kInfinity;
        if (!bound) return false;
        params.push_back(*bound);
      }
    }
    if (node.op == "Swish" && node.float_attribute("alpha", 1.0f) != 1.0f) return false;
    if (node.op == "Gelu" && node.string_attribute("approximate", "none") != "none") return false;
    for (size_t i = 0; i < activation->attributes.size(); ++i)
      params.push_back(node.float_attribute(activation->attributes[i], activation->defaults[i]));
    fused_.attributes["activation"] = node.op;
    if (!params.empty()) fused_.attributes["activation_params"] = std::move(params);
    return true;
  }
  bool scale(const Node& node) { return node.op == "Mul" && set_number(node, "scale"); }
  bool shift(const Node& node) { return node.op == "Add" && set_number(node, "shift"); }
  bool set_number(const Node& node, const char* key) {
    const auto number = constant_number(graph_, other_input(node));
    if (!number || !keeps_shape(node)) return false;
    fused_.attributes[key] = *number;
    return true;
  }

  const Graph& graph_;
  const ValueUses& uses_;
  const std::vector<bool>& gone_;
  Node fused_;
  size_t last_;
  std::vector<size_t> taken_;
  bool worth_ = false;
};

bool is_fusible(const Graph& graph, const Node& node) {
  if (!node.domain.empty() || node.op != "Conv") return false;
  const auto& w = graph.value(node.inputs[1]).constant;
  return w && w->dtype() == DType::kF32 && (w->rank() == 3 || w->rank() == 4);
}

bool fuse_conv(Graph& graph, const PassContext& context) {
  const DType operands[] = {DType::kF32, DType::kF32};
  if (!context.target->has_kernel("oag", "FusedConv", operands)) return false;
  const ValueUses uses(graph);
  std::vector<bool> gone(graph.nodes.size(), false);
  bool changed = false;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!is_fusible(graph, graph.nodes[i])) continue;
    ConvChain chain(graph, uses, i, gone);
    if (!chain.worth()) continue;
    for (const size_t node : chain.taken()) gone[node] = true;
    gone[chain.last()] = false;
    graph.nodes[chain.last()] = chain.fused();
    changed = true;
  }
  if (changed) erase_nodes(graph, gone);
  return changed;
}

}  // namespace

extern constinit const Pass kFuseConv = {"fuse_conv", fuse_conv, true};

}  // namespace oag
