#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/formats/onnx/function_table.h"
#include "engine/formats/onnx/onnx_attribute.h"
#include "engine/formats/onnx/onnx_messages.h"
#include "engine/graph/graph.h"

namespace oag {

using OpsetVersions = std::map<std::string_view, int64_t>;

// Makes graphs of ordered messages (order_graph): names become values, calls of functions their bodies,
// captured values inputs. Errors: kCorruptData, kUnsupported, naming the file and a node.
class GraphBuilder {
 public:
  GraphBuilder(const FunctionTable& functions, AttributeReader& attributes, const std::string& where)
      : functions_(functions), attributes_(attributes), where_(where) {}

  Graph build(const GraphMessage& main, const OpsetVersions& opsets);

 private:
  struct Scope;
  // What a function's attribute is in one call: a value, or graphs with the scope that their names belong to.
  struct BoundAttribute {
    std::optional<Attribute> value;
    const AttributeMessage* graphs = nullptr;
    const Scope* scope = nullptr;
  };
  using Bindings = std::map<std::string_view, BoundAttribute>;
  // Names that mean something at one place of the file. A function's body has a scope of its own, but puts
  // its nodes into the graph of its caller.
  struct Scope {
    Graph& graph;
    const OpsetVersions& opsets;
    const Bindings* bindings = nullptr;  // null outside of functions
    std::string prefix;                  // of names that the body of a function gives
    std::unordered_map<std::string_view, ValueId> names;
  };
  // A value of an enclosing graph that subgraphs of a node use.
  struct Capture {
    std::string_view name;
    const Scope* owner;
    ValueId id;
  };
  using NamedGraphs = std::vector<std::pair<std::string, BoundAttribute>>;

  void define_inputs(const GraphMessage& message, Scope& scope);
  void define_constants(const GraphMessage& message, Scope& scope);
  void define_node_outputs(const GraphMessage& message, Scope& scope);
  void build_nodes(const GraphMessage& message, Scope& scope);
  void connect_outputs(const GraphMessage& message, Scope& scope);

  void build_node(const NodeMessage& message, Scope& scope);
  void set_constant(const NodeMessage& message, const Attributes& attributes, Scope& scope);
  std::vector<ValueId> resolve_inputs(const NodeMessage& message, const Scope& scope) const;
  std::vector<ValueId> resolve_outputs(const NodeMessage& message, const Scope& scope) const;
  std::optional<BoundAttribute> bind(const AttributeMessage& attribute, const NodeMessage& node,
                                     const Scope& scope);

  void attach_subgraphs(const NodeMessage& message, const NamedGraphs& graphs, const Scope& scope,
                        Node& node);
  std::vector<Capture> find_captures(const NodeMessage& message, const NamedGraphs& graphs,
                                     const Scope& scope) const;
  GraphPtr build_body(const GraphMessage& message, const Scope& owner, const std::vector<Capture>& captures);

  void inline_call(const NodeMessage& call, const FunctionMessage& function, Scope& caller);
  Bindings bind_arguments(const NodeMessage& call, const FunctionMessage& function, const Scope& caller);

  int64_t opset_of(const NodeMessage& message, const Scope& scope) const;
  void enter(const std::string& name);

  const FunctionTable& functions_;
  AttributeReader& attributes_;
  const std::string& where_;
  int depth_ = 0;
  int loops_ = 0;  // around the node that is built
  uint64_t nodes_built_ = 0;
};

}  // namespace oag
