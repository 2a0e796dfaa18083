#include "engine/formats/onnx/function_table.h"

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "engine/formats/onnx/graph_order.h"
#include "engine/formats/printable.h"

namespace oag {
namespace {

constexpr uint64_t kMaxNodes = uint64_t{1} << 20;
constexpr uint64_t kMaxBytes = uint64_t{1} << 30;

// What a graph has when all calls in it are replaced: nodes, and bytes of their names and attributes. Tensors
// do not count, for copies of nodes share them.
struct Expansion {
  uint64_t nodes = 0;
  uint64_t bytes = 0;

  void add(const Expansion& other) {
    // Both stay far below 2^63: each sum is checked against the limits before it is added to another.
    nodes = std::min(nodes + other.nodes, 2 * kMaxNodes);
    bytes = std::min(bytes + other.bytes, 2 * kMaxBytes);
  }
};

uint64_t bytes_of(const AttributeMessage& attribute) {
  uint64_t bytes = 64 + attribute.name.size() + attribute.floats.size() * 4 + attribute.ints.size() * 8;
  for (const std::string_view text : attribute.strings) bytes += 32 + text.size();
  return bytes;
}

uint64_t bytes_of(const NodeMessage& node) {
  uint64_t bytes = 128 + node.name.size() + node.op.size() + node.domain.size();
  for (const std::string_view name : node.inputs) bytes += 8 + name.size();
  for (const std::string_view name : node.outputs) bytes += 128 + name.size();
  for (const AttributeMessage& attribute : node.attributes) bytes += bytes_of(attribute);
  return bytes;
}

class ExpansionCounter {
 public:
  ExpansionCounter(const FunctionTable& table, const std::string& where) : table_(table), where_(where) {}

  // What the calls in `graph` add to it.
  Expansion count_calls(const GraphMessage& graph) {
    if (depth_ == kMaxGraphDepth) {
      fail(ErrorCode::kUnsupported, where_, "functions and subgraphs are nested more than {} deep, at {}",
           kMaxGraphDepth, printable(graph.name));
    }
    ++depth_;
    Expansion total;
    for (const NodeMessage& node : graph.nodes) {
      if (const FunctionMessage* function = table_.find(node)) total.add(count(*function));
      for (const AttributeMessage& attribute : node.attributes) {
        for (const GraphMessage& inner : attribute.graphs) total.add(count_calls(inner));
      }
    }
    --depth_;
    return total;
  }

 private:
  struct Counted {
    bool open = true;
    Expansion expansion;
  };

  Expansion count(const FunctionMessage& function) {
    if (const auto known = counted_.find(&function); known != counted_.end()) {
      if (known->second.open) {
        fail(ErrorCode::kCorruptData, where_, "function {} calls itself, which has no end",
             printable(function.body.name));
      }
      return known->second.expansion;
    }
    counted_.emplace(&function, Counted{});
    Expansion expansion = own_size(function.body);
    expansion.add(count_calls(function.body));
    counted_[&function] = {false, expansion};
    return expansion;
  }

  static Expansion own_size(const GraphMessage& graph) {
    Expansion size;
    for (const NodeMessage& node : graph.nodes) {
      size.add({1, bytes_of(node)});
      for (const AttributeMessage& attribute : node.attributes) {
        for (const GraphMessage& inner : attribute.graphs) size.add(own_size(inner));
      }
    }
    size.add({0, 128 * (graph.initializers.size() + graph.sparse_initializers.size() + graph.inputs.size())});
    return size;
  }

  const FunctionTable& table_;
  const std::string& where_;
  std::unordered_map<const FunctionMessage*, Counted> counted_;
  int depth_ = 0;
};

}  // namespace

FunctionTable::FunctionTable(std::vector<FunctionMessage>& functions, const GraphMessage& main,
                             const std::string& where) {
  for (FunctionMessage& function : functions) {
    const std::tuple key(function.domain, function.body.name, function.overload);
    if (!functions_.emplace(key, &function).second) {
      fail(ErrorCode::kCorruptData, where, "function {} of domain \"{}\" is defined twice, expected once",
           printable(function.body.name), printable(function.domain));
    }
    order_graph(function.body, where + ": function " + printable(function.body.name));
  }
  const Expansion total = ExpansionCounter(*this, where).count_calls(main);
  if (total.nodes > kMaxNodes || total.bytes > kMaxBytes) {
    fail(ErrorCode::kUnsupported, where,
         "the calls of the model's own functions stand for {}{} nodes of {} bytes, expected at most {} of {}",
         total.nodes > kMaxNodes ? "over " : "", std::min(total.nodes, kMaxNodes), total.bytes, kMaxNodes,
         kMaxBytes);
  }
}

const FunctionMessage* FunctionTable::find(const NodeMessage& node) const {
  const auto found = functions_.find({node.domain, node.op, node.overload});
  return found == functions_.end() ? nullptr : found->second;
}

}  // namespace oag
