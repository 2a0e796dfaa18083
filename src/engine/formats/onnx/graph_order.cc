#include "engine/formats/onnx/graph_order.h"

#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "engine/formats/printable.h"

namespace oag {
namespace {

// What makes a name: a node, or for kNoNode an input or initializer.
constexpr uint32_t kNoNode = UINT32_MAX;
using Definitions = std::unordered_map<std::string_view, uint32_t>;

class GraphOrder {
 public:
  GraphOrder(GraphMessage& graph, const std::string& where) : graph_(graph), where_(where) {}

  void find() {
    for (NodeMessage& node : graph_.nodes) {
      for (AttributeMessage& attribute : node.attributes) {
        for (GraphMessage& inner : attribute.graphs) order_graph(inner, where_);
      }
    }
    define_all();
    find_uses();
    sort();
  }

 private:
  void define(std::string_view name, uint32_t node) {
    if (definitions_.emplace(name, node).second) return;
    fail(ErrorCode::kCorruptData, where_, "{}the name {} is defined twice in graph {}, expected once",
         node == kNoNode ? "" : describe(graph_.nodes[node]) + ": ", printable(name), printable(graph_.name));
  }

  void define_all() {
    for (const ValueInfoMessage& input : graph_.inputs) define(input.name, kNoNode);
    std::unordered_set<std::string_view> initialized;
    const auto define_initializer = [&](std::string_view name) {
      // Before IR 4 every initializer was an input too.
      if (initialized.insert(name).second && definitions_.contains(name)) return;
      define(name, kNoNode);
    };
    for (const TensorMessage& tensor : graph_.initializers) define_initializer(tensor.name);
    for (const SparseTensorMessage& sparse : graph_.sparse_initializers) {
      if (sparse.values) define_initializer(sparse.values->name);
    }
    for (uint32_t i = 0; i < graph_.nodes.size(); ++i) {
      for (const std::string_view output : graph_.nodes[i].outputs) {
        if (!output.empty()) define(output, i);
      }
    }
  }

  // For each node the nodes that make what it uses; names that nothing here makes are free.
  void find_uses() {
    std::unordered_set<std::string_view> seen;
    const auto use = [&](std::string_view name, std::vector<uint32_t>* makers) {
      if (name.empty()) return;
      if (const auto found = definitions_.find(name); found == definitions_.end()) {
        if (seen.insert(name).second) graph_.free_names.push_back(name);
      } else if (makers != nullptr && found->second != kNoNode) {
        makers->push_back(found->second);
      }
    };
    makers_.resize(graph_.nodes.size());
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      for (const std::string_view input : graph_.nodes[i].inputs) use(input, &makers_[i]);
      for (const std::string_view name : captured_names(graph_.nodes[i])) use(name, &makers_[i]);
    }
    for (const ValueInfoMessage& output : graph_.outputs) use(output.name, nullptr);
  }

  // Depth first, makers before users, without recursion: a file may hold a chain of a million nodes.
  void sort() {
    enum State : uint8_t { kNew, kOpen, kDone };
    std::vector<State> states(graph_.nodes.size(), kNew);
    std::vector<std::pair<uint32_t, size_t>> path;  // nodes, and how many of their makers were looked at
    for (uint32_t first = 0; first < graph_.nodes.size(); ++first) {
      if (states[first] == kNew) path.emplace_back(first, 0);
      while (!path.empty()) {
        auto& [node, looked_at] = path.back();
        states[node] = kOpen;
        if (looked_at < makers_[node].size()) {
          const uint32_t maker = makers_[node][looked_at++];
          if (states[maker] == kOpen) {
            fail(ErrorCode::kCorruptData, where_, "{} waits for its own output, in a circle of nodes",
                 describe(graph_.nodes[maker]));
          }
          if (states[maker] == kNew) path.emplace_back(maker, 0);
        } else {
          states[node] = kDone;
          graph_.order.push_back(node);
          path.pop_back();
        }
      }
    }
  }

  GraphMessage& graph_;
  const std::string& where_;
  Definitions definitions_;
  std::vector<std::vector<uint32_t>> makers_;
};

}  // namespace

void order_graph(GraphMessage& graph, const std::string& where) {
  GraphOrder(graph, where).find();
}

std::vector<std::string_view> captured_names(const NodeMessage& node) {
  std::vector<std::string_view> names;
  std::unordered_set<std::string_view> seen;
  for (const AttributeMessage& attribute : node.attributes) {
    for (const GraphMessage& graph : attribute.graphs) {
      for (const std::string_view name : graph.free_names) {
        if (seen.insert(name).second) names.push_back(name);
      }
    }
  }
  return names;
}

std::string describe(const NodeMessage& node) {
  std::string op(node.domain);
  op += (op.empty() ? "" : ".");
  op += node.op;
  if (!node.name.empty()) return fmt::format("node {} ({})", printable(node.name), printable(op));
  for (const std::string_view output : node.outputs) {
    if (!output.empty()) return fmt::format("node that makes {} ({})", printable(output), printable(op));
  }
  return fmt::format("node without a name ({})", printable(op));
}

}  // namespace oag
