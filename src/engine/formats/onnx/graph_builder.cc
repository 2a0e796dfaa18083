#include "engine/formats/onnx/graph_builder.h"

#include <algorithm>
#include <unordered_set>

#include "base/error.h"
#include "engine/formats/onnx/graph_order.h"
#include "engine/formats/onnx/onnx_type.h"
#include "engine/formats/onnx/upgrade.h"
#include "engine/formats/printable.h"
#include "engine/ops/verify.h"

namespace oag {
namespace {

// Above what function_table allows for calls; only graphs that are handed to functions can lead there.
constexpr uint64_t kMaxNodes = uint64_t{1} << 23;
constexpr size_t kMaxPrefix = 200;
// The types inside a loop are inferred until those of its states settle, twice at least where they grow: the
// work doubles with each loop around.
constexpr int kMaxLoopDepth = 10;

bool is_loop(const NodeMessage& message) {
  return message.domain.empty() && (message.op == "Loop" || message.op == "Scan");
}

std::string node_name(const NodeMessage& message, const Graph& graph, const std::string& prefix) {
  if (!message.name.empty()) return prefix + std::string(message.name);
  return fmt::format("{}{}_{}", prefix, message.op, graph.nodes.size());
}

}  // namespace

Graph GraphBuilder::build(const GraphMessage& main, const OpsetVersions& opsets) {
  Graph graph(std::string(main.name));
  Scope scope{graph, opsets, nullptr, {}, {}};
  define_inputs(main, scope);
  define_constants(main, scope);
  define_node_outputs(main, scope);
  build_nodes(main, scope);
  connect_outputs(main, scope);
  return graph;
}

void GraphBuilder::define_inputs(const GraphMessage& message, Scope& scope) {
  std::unordered_set<std::string_view> initialized;
  for (const TensorMessage& tensor : message.initializers) initialized.insert(tensor.name);
  for (const SparseTensorMessage& sparse : message.sparse_initializers) {
    if (sparse.values) initialized.insert(sparse.values->name);
  }
  for (const ValueInfoMessage& input : message.inputs) {
    if (initialized.contains(input.name)) continue;
    const std::string name(input.name);
    scope.names.emplace(input.name, scope.graph.add_input(name, read_type(input.type, where_, name)));
  }
}

void GraphBuilder::define_constants(const GraphMessage& message, Scope& scope) {
  const auto define = [&](std::string_view name, Tensor tensor) {
    scope.names.emplace(name, scope.graph.add_constant(std::string(name), std::move(tensor)));
  };
  for (const TensorMessage& tensor : message.initializers) define(tensor.name, attributes_.tensor(tensor));
  for (const SparseTensorMessage& sparse : message.sparse_initializers) {
    Tensor tensor = attributes_.tensor(sparse);
    define(sparse.values->name, std::move(tensor));
  }
}

// All at once, in the file's order: no name that an operator's rewriting makes up can take one of the file's.
void GraphBuilder::define_node_outputs(const GraphMessage& message, Scope& scope) {
  for (const NodeMessage& node : message.nodes) {
    for (const std::string_view output : node.outputs) {
      if (output.empty() || scope.names.contains(output)) continue;
      scope.names.emplace(output, scope.graph.add_value(scope.prefix + std::string(output)));
    }
  }
}

void GraphBuilder::build_nodes(const GraphMessage& message, Scope& scope) {
  for (const uint32_t i : message.order) build_node(message.nodes[i], scope);
}

void GraphBuilder::connect_outputs(const GraphMessage& message, Scope& scope) {
  for (const ValueInfoMessage& output : message.outputs) {
    const auto found = scope.names.find(output.name);
    if (found == scope.names.end() || found->second == kNoValue) {
      fail(ErrorCode::kCorruptData, where_,
           "output {} of graph {} is no input, initializer or output of any node", printable(output.name),
           printable(message.name));
    }
    scope.graph.outputs.push_back(found->second);
  }
}

std::vector<ValueId> GraphBuilder::resolve_inputs(const NodeMessage& message, const Scope& scope) const {
  std::vector<ValueId> ids;
  for (const std::string_view name : message.inputs) {
    const auto found = scope.names.find(name);
    if (name.empty()) {
      ids.push_back(kNoValue);
    } else if (found != scope.names.end()) {
      ids.push_back(found->second);
    } else {
      fail(ErrorCode::kCorruptData, where_, "{}: its input {} is no input, initializer or output of any node",
           describe(message), printable(name));
    }
  }
  return ids;
}

std::vector<ValueId> GraphBuilder::resolve_outputs(const NodeMessage& message, const Scope& scope) const {
  std::vector<ValueId> ids;
  for (const std::string_view name : message.outputs)
    ids.push_back(name.empty() ? kNoValue : scope.names.find(name)->second);
  return ids;
}

std::optional<GraphBuilder::BoundAttribute> GraphBuilder::bind(const AttributeMessage& attribute,
                                                               const NodeMessage& node, const Scope& scope) {
  if (!attribute.reference.empty()) {
    if (scope.bindings == nullptr) {
      fail(ErrorCode::kCorruptData, where_,
           "{}: attribute {} refers to attribute {} of a function, but is in none", describe(node),
           printable(attribute.name), printable(attribute.reference));
    }
    const auto bound = scope.bindings->find(attribute.reference);
    // An argument that the caller leaves out is left out in the body too.
    if (bound == scope.bindings->end()) return std::nullopt;
    return bound->second;
  }
  const bool has_graphs =
      attribute.type == AttributeMessage::kGraph || attribute.type == AttributeMessage::kGraphs;
  if (has_graphs) return BoundAttribute{std::nullopt, &attribute, &scope};
  return BoundAttribute{attributes_.attribute(attribute, describe(node)), nullptr, nullptr};
}

void GraphBuilder::set_constant(const NodeMessage& message, const Attributes& attributes, Scope& scope) {
  if (message.outputs.size() != 1) {
    fail(ErrorCode::kCorruptData, where_, "{}: has {} outputs, expected one", describe(message),
         message.outputs.size());
  }
  const ValueId id = resolve_outputs(message, scope)[0];
  if (id == kNoValue) return;
  Tensor tensor = constant_value(attributes, where_, describe(message));
  Value& value = scope.graph.value(id);
  value.type = ValueType::tensor(tensor.dtype(), to_shape(tensor.dims()));
  value.constant = std::move(tensor);
}

void GraphBuilder::build_node(const NodeMessage& message, Scope& scope) {
  if (message.op.empty()) fail(ErrorCode::kCorruptData, where_, "{}: has no operator", describe(message));
  if (++nodes_built_ > kMaxNodes) {
    fail(ErrorCode::kUnsupported, where_, "{}: the model stands for more than {} nodes", describe(message),
         kMaxNodes);
  }
  if (const FunctionMessage* function = functions_.find(message))
    return inline_call(message, *function, scope);

  Node node;
  NamedGraphs graphs;
  for (const AttributeMessage& attribute : message.attributes) {
    auto bound = bind(attribute, message, scope);
    if (!bound) continue;
    std::string key(attribute.name);
    if (bound->graphs != nullptr) {
      graphs.emplace_back(std::move(key), *std::move(bound));
    } else if (!node.attributes.emplace(std::move(key), *std::move(bound->value)).second) {
      fail(ErrorCode::kCorruptData, where_, "{}: has attribute {} twice, expected once", describe(message),
           printable(attribute.name));
    }
  }
  if (message.domain.empty() && message.op == "Constant" && graphs.empty())
    return set_constant(message, node.attributes, scope);

  node.domain = message.domain;
  node.op = message.op;
  node.name = node_name(message, scope.graph, scope.prefix);
  node.inputs = resolve_inputs(message, scope);
  node.outputs = resolve_outputs(message, scope);
  if (!graphs.empty()) attach_subgraphs(message, graphs, scope, node);
  const size_t first = scope.graph.nodes.size();
  append_upgraded(scope.graph, std::move(node), opset_of(message, scope));
  // What the following nodes become can depend on the types of their inputs.
  infer_types_so_far(scope.graph, first);
}

int64_t GraphBuilder::opset_of(const NodeMessage& message, const Scope& scope) const {
  const auto found = scope.opsets.find(message.domain);
  if (found != scope.opsets.end()) return found->second;
  if (message.domain.empty() || message.domain.starts_with("ai.onnx")) {
    fail(ErrorCode::kCorruptData, where_, "{}: the model imports no opset of its domain \"{}\"",
         describe(message), printable(message.domain));
  }
  return 1;  // of other domains no versions are known
}

void GraphBuilder::attach_subgraphs(const NodeMessage& message, const NamedGraphs& graphs, const Scope& scope,
                                    Node& node) {
  const std::vector<Capture> captures = find_captures(message, graphs, scope);
  if (is_loop(message) && ++loops_ > kMaxLoopDepth) {
    fail(ErrorCode::kUnsupported, where_, "{}: lies in {} other loops, expected at most {}",
         describe(message), kMaxLoopDepth, kMaxLoopDepth - 1);
  }
  for (const auto& [key, bound] : graphs) {
    std::vector<GraphPtr> bodies;
    for (const GraphMessage& graph : bound.graphs->graphs)
      bodies.push_back(build_body(graph, *bound.scope, captures));
    Attribute attribute;
    if (bound.graphs->type == AttributeMessage::kGraph) {
      attribute = bodies.at(0);
    } else {
      attribute = std::move(bodies);
    }
    if (!node.attributes.emplace(key, std::move(attribute)).second) {
      fail(ErrorCode::kCorruptData, where_, "{}: has attribute {} twice, expected once", describe(message),
           printable(key));
    }
  }
  if (is_loop(message)) --loops_;
  int64_t passed = 0;
  // What is captured comes behind the operator's own inputs; a Loop may have left out its first two.
  if (message.domain.empty() && message.op == "Loop")
    node.inputs.resize(std::max<size_t>(node.inputs.size(), 2), kNoValue);
  for (const Capture& capture : captures) {
    if (capture.id == kNoValue || capture.owner->graph.value(capture.id).constant) continue;
    node.inputs.push_back(capture.id);
    ++passed;
  }
  if (passed > 0) node.attributes["captures"] = passed;
}

std::vector<GraphBuilder::Capture> GraphBuilder::find_captures(const NodeMessage& message,
                                                               const NamedGraphs& graphs,
                                                               const Scope& scope) const {
  std::vector<Capture> captures;
  std::map<const Scope*, std::unordered_set<std::string_view>> seen;
  for (const auto& [key, bound] : graphs) {
    for (const GraphMessage& graph : bound.graphs->graphs) {
      for (const std::string_view name : graph.free_names) {
        if (!seen[bound.scope].insert(name).second) continue;
        const auto found = bound.scope->names.find(name);
        if (found == bound.scope->names.end()) {
          fail(ErrorCode::kCorruptData, where_,
               "{}: its attribute {} uses {}, which is no input, initializer or output of any node",
               describe(message), printable(key), printable(name));
        }
        const ValueId id = found->second;
        if (id != kNoValue && &bound.scope->graph != &scope.graph && !bound.scope->graph.value(id).constant) {
          fail(ErrorCode::kUnsupported, where_,
               "{}: its attribute {} is a graph that a function was given, and uses {} from outside of two "
               "graphs",
               describe(message), printable(key), printable(name));
        }
        captures.push_back({name, bound.scope, id});
      }
    }
  }
  return captures;
}

GraphPtr GraphBuilder::build_body(const GraphMessage& message, const Scope& owner,
                                  const std::vector<Capture>& captures) {
  enter(std::string(message.name));
  auto body = std::make_shared<Graph>(std::string(message.name));
  Scope scope{*body, owner.opsets, owner.bindings, {}, {}};
  define_inputs(message, scope);
  define_constants(message, scope);
  define_node_outputs(message, scope);
  const std::unordered_set<std::string_view> wanted(message.free_names.begin(), message.free_names.end());
  for (const Capture& capture : captures) {
    const bool is_used = capture.owner == &owner && wanted.contains(capture.name);
    ValueId id = kNoValue;
    if (capture.id != kNoValue) {
      const Value& outer = capture.owner->graph.value(capture.id);
      if (outer.constant) {
        // A constant inside tells shape rules more than an input does.
        if (is_used) id = body->add_constant(outer.name, *outer.constant);
      } else {
        id = body->add_input(outer.name, outer.type);
      }
    }
    if (is_used) scope.names.emplace(capture.name, id);
  }
  build_nodes(message, scope);
  connect_outputs(message, scope);
  --depth_;
  return body;
}

void GraphBuilder::enter(const std::string& name) {
  if (depth_ == kMaxGraphDepth) {
    fail(ErrorCode::kUnsupported, where_, "functions and subgraphs are nested more than {} deep, at {}",
         kMaxGraphDepth, printable(name));
  }
  ++depth_;
}

GraphBuilder::Bindings GraphBuilder::bind_arguments(const NodeMessage& call, const FunctionMessage& function,
                                                    const Scope& caller) {
  Bindings bindings;
  for (const AttributeMessage& attribute : call.attributes) {
    if (auto bound = bind(attribute, call, caller)) bindings.emplace(attribute.name, *std::move(bound));
  }
  for (const AttributeMessage& attribute : function.attribute_defaults) {
    if (bindings.contains(attribute.name)) continue;
    if (auto bound = bind(attribute, call, caller)) bindings.emplace(attribute.name, *std::move(bound));
  }
  return bindings;
}

void GraphBuilder::inline_call(const NodeMessage& call, const FunctionMessage& function, Scope& caller) {
  const GraphMessage& body = function.body;
  if (call.inputs.size() > body.inputs.size() || call.outputs.size() > body.outputs.size()) {
    fail(ErrorCode::kCorruptData, where_, "{}: has {} inputs and {} outputs, its function at most {} and {}",
         describe(call), call.inputs.size(), call.outputs.size(), body.inputs.size(), body.outputs.size());
  }
  enter(std::string(body.name));
  const Bindings bindings = bind_arguments(call, function, caller);
  OpsetVersions opsets;
  for (const OpsetImport& import : function.opset_imports) opsets.emplace(import.domain, import.version);
  opsets.insert(caller.opsets.begin(), caller.opsets.end());
  std::string prefix = node_name(call, caller.graph, caller.prefix) + "/";
  Scope scope{
      caller.graph, opsets, &bindings, prefix.size() > kMaxPrefix ? caller.prefix : std::move(prefix), {}};

  const std::vector<ValueId> inputs = resolve_inputs(call, caller), outputs = resolve_outputs(call, caller);
  for (size_t i = 0; i < body.inputs.size(); ++i)
    scope.names.emplace(body.inputs[i].name, i < inputs.size() ? inputs[i] : kNoValue);
  // Outputs that nodes of the body make are the caller's values at once.
  std::unordered_set<std::string_view> made;
  for (const NodeMessage& node : body.nodes) made.insert(node.outputs.begin(), node.outputs.end());
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i] != kNoValue && made.contains(body.outputs[i].name))
      scope.names.emplace(body.outputs[i].name, outputs[i]);
  }
  define_node_outputs(body, scope);
  build_nodes(body, scope);
  for (size_t i = 0; i < outputs.size(); ++i) {
    const auto found = scope.names.find(body.outputs[i].name);
    if (outputs[i] == kNoValue || (found != scope.names.end() && found->second == outputs[i])) continue;
    if (found == scope.names.end() || found->second == kNoValue) {
      fail(ErrorCode::kCorruptData, where_, "{}: output {} of its function is made by nothing",
           describe(call), printable(body.outputs[i].name));
    }
    Node copy{"", "Identity", fmt::format("{}copy_{}", scope.prefix, i), {found->second}, {outputs[i]}, {}};
    caller.graph.nodes.push_back(std::move(copy));
  }
  --depth_;
}

}  // namespace oag
