// Merges nodes that compute the same thing: same operator, inputs and attributes, no state.
#include <map>

#include "engine/passes/pass.h"

namespace oag {
namespace {

bool same_attributes(const Attributes& a, const Attributes& b) {
  if (a.size() != b.size()) return false;
  for (auto x = a.begin(), y = b.begin(); x != a.end(); ++x, ++y) {
    if (x->first != y->first || x->second.index() != y->second.index()) return false;
    const bool same = std::visit(
        [&](const auto& left) {
          using T = std::remove_cvref_t<decltype(left)>;
          if constexpr (std::is_same_v<T, Tensor> || std::is_same_v<T, GraphPtr> ||
                        std::is_same_v<T, std::vector<GraphPtr>> || std::is_same_v<T, ValueType>) {
            return false;  // compared by identity at best; not worth merging
          } else {
            return left == std::get<T>(y->second);
          }
        },
        x->second);
    if (!same) return false;
  }
  return true;
}

// Whether every output that `node` gives is among those of `first`; optional ones may be left out.
bool gives_at_least(const Node& first, const Node& node) {
  if (first.outputs.size() != node.outputs.size()) return false;
  for (size_t o = 0; o < node.outputs.size(); ++o) {
    if (node.outputs[o] != kNoValue && first.outputs[o] == kNoValue) return false;
  }
  return true;
}

bool mergeable(const OpSchema* schema) {
  if (schema == nullptr || !schema->deterministic) return false;
  for (const Alias& alias : schema->aliases) {
    if (alias.kind == Alias::kUpdate) return false;
  }
  return true;
}

bool eliminate_common(Graph& graph, const PassContext& context) {
  using Key = std::tuple<std::string, std::string, std::vector<ValueId>>;
  std::map<Key, std::vector<size_t>> seen;
  bool changed = false;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (!mergeable(context.registry.find(node.domain, node.op))) continue;
    std::vector<size_t>& twins = seen[{node.domain, node.op, node.inputs}];
    bool merged = false;
    for (const size_t twin : twins) {
      const Node& first = graph.nodes[twin];
      if (!gives_at_least(first, node) || !same_attributes(first.attributes, node.attributes)) continue;
      for (size_t o = 0; o < node.outputs.size(); ++o) {
        if (node.outputs[o] != kNoValue) graph.replace_uses(node.outputs[o], first.outputs[o]);
      }
      merged = changed = true;
      break;
    }
    if (!merged) twins.push_back(i);
  }
  return changed;
}

}  // namespace

extern constinit const Pass kEliminateCommon = {"eliminate_common", eliminate_common};

}  // namespace oag
