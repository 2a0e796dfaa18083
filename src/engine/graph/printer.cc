#include <fmt/format.h>

#include "engine/graph/graph.h"

namespace oag {
namespace {

struct AttributePrinter {
  std::string operator()(int64_t v) const { return std::to_string(v); }
  std::string operator()(float v) const { return fmt::format("{:g}", v); }
  std::string operator()(const std::string& v) const { return fmt::format("\"{}\"", v); }
  std::string operator()(const std::vector<int64_t>& v) const {
    return fmt::format("[{}]", fmt::join(v, ", "));
  }
  std::string operator()(const std::vector<float>& v) const {
    return fmt::format("[{:g}]", fmt::join(v, ", "));
  }
  std::string operator()(const std::vector<std::string>& v) const {
    return fmt::format("[\"{}\"]", fmt::join(v, "\", \""));
  }
  std::string operator()(const Tensor& v) const {
    return fmt::format("<{} {}>", dtype_name(v.dtype()), to_string(v.dims()));
  }
  std::string operator()(const GraphPtr& v) const { return fmt::format("<graph {}>", v->name); }
  std::string operator()(const std::vector<GraphPtr>& v) const {
    return fmt::format("<{} graphs>", v.size());
  }
  std::string operator()(const ValueType& v) const { return "<" + to_string(v) + ">"; }
};

std::string print_node(const Graph& graph, const Node& node) {
  const auto names = [&](const std::vector<ValueId>& ids) {
    std::string text;
    for (const ValueId id : ids) {
      text += (text.empty() ? "" : ", ") + (id == kNoValue ? std::string("-") : "%" + graph.value(id).name);
    }
    return text;
  };
  std::string attributes;
  for (const auto& [key, attribute] : node.attributes) {
    attributes += fmt::format("{}{}={}", attributes.empty() ? "" : ", ", key,
                              std::visit(AttributePrinter{}, attribute));
  }
  std::string types;
  for (const ValueId id : node.outputs) {
    types +=
        (types.empty() ? "" : ", ") + (id == kNoValue ? std::string("-") : to_string(graph.value(id).type));
  }
  return fmt::format("  {} = {}({}){}  : {}\n", names(node.outputs), node.full_op(), names(node.inputs),
                     attributes.empty() ? "" : " {" + attributes + "}", types);
}

}  // namespace

std::string print_graph(const Graph& graph) {
  std::string text = fmt::format("graph {}\n", graph.name);
  for (const ValueId id : graph.inputs) {
    text += fmt::format("  input %{} : {}\n", graph.value(id).name, to_string(graph.value(id).type));
  }
  const std::vector<int> uses = graph.use_counts();
  for (size_t i = 0; i < graph.value_count(); ++i) {
    const Value& value = graph.value(static_cast<ValueId>(i));
    if (value.constant && uses[i] > 0)
      text += fmt::format("  const %{} : {}\n", value.name, to_string(value.type));
  }
  for (const Node& node : graph.nodes) text += print_node(graph, node);
  for (const ValueId id : graph.outputs) text += fmt::format("  output %{}\n", graph.value(id).name);
  for (const Node& node : graph.nodes) {
    for (const auto& [key, attribute] : node.attributes) {
      if (const auto* subgraph = std::get_if<GraphPtr>(&attribute)) text += print_graph(**subgraph);
    }
  }
  return text;
}

}  // namespace oag
