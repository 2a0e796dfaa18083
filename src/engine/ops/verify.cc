#include "engine/ops/verify.h"

#include <algorithm>
#include <map>

namespace oag {
namespace {

std::string node_place(const Node& node) {
  return fmt::format("node {} ({})", node.name, node.full_op());
}

bool is_of_onnx(std::string_view domain) {
  return domain.empty() || domain.starts_with("ai.onnx");
}

void check_count(const Node& node, const FixedList<Parameter, 16>& formal, size_t seen,
                 std::string_view what) {
  const bool variadic = !formal.empty() && formal.back().variadic;
  size_t required = formal.size();
  while (required > 0 && (formal[required - 1].optional || formal[required - 1].variadic)) --required;
  if (variadic && !formal.back().optional) ++required;
  if (seen < required || (!variadic && seen > formal.size())) {
    fail(ErrorCode::kInvalidArgument, node_place(node), "has {} {}, its schema {} {}{}", seen, what,
         what == "outputs" ? "makes" : "takes", required,
         variadic                    ? " or more"
         : required == formal.size() ? ""
                                     : fmt::format(" to {}", formal.size()));
  }
}

void check_inputs(const Graph& graph, const Node& node, const OpSchema& schema) {
  check_count(node, schema.inputs, node.inputs.size(), "inputs");
  std::map<std::string_view, DType> bound;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const Parameter& formal = schema.inputs[std::min(i, schema.inputs.size() - 1)];
    if (node.inputs[i] == kNoValue) {
      if (!formal.optional)
        fail(ErrorCode::kInvalidArgument, node_place(node), "lacks its input {}", formal.name);
      continue;
    }
    const Value& value = graph.value(node.inputs[i]);
    const DType dtype = value.type.dtype;
    if (!formal.kinds.contains(value.type.kind)) {
      fail(ErrorCode::kInvalidArgument, node_place(node),
           "input {} (%{}) is {}, which the operator does not take", formal.name, value.name,
           to_string(value.type));
    }
    if (value.type.kind != TypeKind::kTensor) continue;
    if (!formal.dtypes.contains(dtype)) {
      fail(ErrorCode::kUnsupported, node_place(node),
           "input {} (%{}) is {}, which the operator does not take", formal.name, value.name,
           dtype_name(dtype));
    }
    const auto [slot, fresh] = bound.emplace(formal.type_variable, dtype);
    if (!formal.type_variable.empty() && !fresh && slot->second != dtype) {
      fail(ErrorCode::kInvalidArgument, node_place(node),
           "input {} (%{}) is {}, but {} is {} by an earlier input", formal.name, value.name,
           dtype_name(dtype), formal.type_variable, dtype_name(slot->second));
    }
  }
}

std::string_view kind_name(AttributeKind kind) {
  switch (kind) {
    case AttributeKind::kInt: return "an integer";
    case AttributeKind::kFloat: return "a float";
    case AttributeKind::kString: return "a string";
    case AttributeKind::kInts: return "a list of integers";
    case AttributeKind::kFloats: return "a list of floats";
    case AttributeKind::kStrings: return "a list of strings";
    case AttributeKind::kTensor: return "a tensor";
    case AttributeKind::kGraph: return "a graph";
    case AttributeKind::kType: return "a type";
  }
  return "nothing";
}

bool is_kind(const Attribute& attribute, AttributeKind kind) {
  switch (kind) {
    case AttributeKind::kInt: return std::holds_alternative<int64_t>(attribute);
    case AttributeKind::kFloat: return std::holds_alternative<float>(attribute);
    case AttributeKind::kString: return std::holds_alternative<std::string>(attribute);
    case AttributeKind::kInts: return std::holds_alternative<std::vector<int64_t>>(attribute);
    case AttributeKind::kFloats: return std::holds_alternative<std::vector<float>>(attribute);
    case AttributeKind::kStrings: return std::holds_alternative<std::vector<std::string>>(attribute);
    case AttributeKind::kTensor: return std::holds_alternative<Tensor>(attribute);
    case AttributeKind::kGraph: return std::holds_alternative<GraphPtr>(attribute);
    case AttributeKind::kType: return std::holds_alternative<ValueType>(attribute);
  }
  return false;
}

std::string_view kind_name(const Attribute& attribute) {
  for (int kind = 0; kind <= static_cast<int>(AttributeKind::kType); ++kind) {
    if (is_kind(attribute, static_cast<AttributeKind>(kind)))
      return kind_name(static_cast<AttributeKind>(kind));
  }
  return "a list of graphs";
}

void check_attributes(const Node& node, const OpSchema& schema) {
  for (const AttributeSpec& spec : schema.attributes) {
    if (spec.required && !node.has_attribute(spec.name)) {
      fail(ErrorCode::kInvalidArgument, node_place(node), "lacks its required attribute {}", spec.name);
    }
  }
  for (const auto& [name, attribute] : node.attributes) {
    const std::string_view seen = name;
    const auto* spec = std::find_if(schema.attributes.begin(), schema.attributes.end(),
                                    [&](const AttributeSpec& formal) { return formal.name == seen; });
    if (spec == schema.attributes.end()) {
      fail(ErrorCode::kInvalidArgument, node_place(node), "has an attribute {} that its schema lacks", name);
    }
    if (!is_kind(attribute, spec->kind)) {
      fail(ErrorCode::kInvalidArgument, node_place(node), "its attribute {} is {}, expected {}", name,
           kind_name(attribute), kind_name(spec->kind));
    }
  }
}

// Refuses outputs that are known to be larger than any memory.
void check_sizes(const Graph& graph, const Node& node) {
  for (const ValueId output : node.outputs) {
    if (output == kNoValue) continue;
    const ValueType& type = graph.value(output).type;
    if (type.kind != TypeKind::kTensor || type.dtype == DType::kUndefined || !type.shape) continue;
    if (const auto dims = evaluate(*type.shape, {})) tensor_bytes(type.dtype, *dims);
  }
}

void check_node(const Graph& graph, const Node& node, const OpSchema& schema) {
  check_inputs(graph, node, schema);
  check_count(node, schema.outputs, node.outputs.size(), "outputs");
  check_attributes(node, schema);
}

// Follows definitions and memory in topological order: each value is defined once, before its uses, and
// memory that a node updated in place is read through that node's output alone.
class Definitions {
 public:
  explicit Definitions(const Graph& graph)
      : graph_(graph),
        defined_(graph.value_count(), false),
        roots_(graph.value_count(), kNoValue),
        updated_by_(graph.value_count(), nullptr) {
    for (size_t v = 0; v < graph.value_count(); ++v) {
      if (graph.value(static_cast<ValueId>(v)).constant)
        define(static_cast<ValueId>(v), "graph " + graph.name);
    }
    for (const ValueId input : graph.inputs) define(input, "graph " + graph.name);
  }

  void read_inputs(const Node& node) const {
    for (const ValueId input : node.inputs) {
      if (input == kNoValue) continue;
      check_id(input, node_place(node));
      if (!defined_[index(input)]) {
        fail(ErrorCode::kInvalidArgument, node_place(node), "uses %{} before it is computed", name(input));
      }
      check_current(input, node_place(node));
    }
  }

  void define_outputs(const Node& node, const OpSchema& schema) {
    for (const ValueId output : node.outputs) {
      if (output != kNoValue) define(output, node_place(node));
    }
    for (const Alias& alias : schema.aliases) {
      const auto from = static_cast<size_t>(alias.input), to = static_cast<size_t>(alias.output);
      if (from >= node.inputs.size() || node.inputs[from] == kNoValue) continue;
      const ValueId output = to < node.outputs.size() ? node.outputs[to] : kNoValue;
      if (alias.kind == Alias::kUpdate) update(node, from);
      if (output == kNoValue) continue;
      roots_[index(output)] = roots_[index(node.inputs[from])];
      updated_by_[index(output)] = nullptr;
    }
  }

  void read_outputs() const {
    for (const ValueId output : graph_.outputs) {
      check_id(output, "graph " + graph_.name);
      if (!defined_[index(output)]) {
        fail(ErrorCode::kInvalidArgument, "graph " + graph_.name, "output %{} is never computed",
             name(output));
      }
      check_current(output, "graph " + graph_.name);
    }
  }

 private:
  static size_t index(ValueId id) { return static_cast<size_t>(id); }
  const std::string& name(ValueId id) const { return graph_.value(id).name; }

  void check_id(ValueId id, std::string_view place) const {
    if (id < 0 || index(id) >= defined_.size())
      fail(ErrorCode::kInvalidArgument, place, "uses value {}, the graph has {}", id, defined_.size());
  }

  void check_current(ValueId id, std::string_view place) const {
    if (const Node* node = updated_by_[index(id)]) {
      fail(ErrorCode::kInvalidArgument, place, "uses %{} after node {} updated it; use that node's output",
           name(id), node->name);
    }
  }

  void define(ValueId id, std::string_view place) {
    check_id(id, place);
    if (defined_[index(id)]) fail(ErrorCode::kInvalidArgument, place, "defines %{} a second time", name(id));
    defined_[index(id)] = true;
    roots_[index(id)] = id;
  }

  // What shows the same bytes as input `at`, that input included, is stale from here on.
  void update(const Node& node, size_t at) {
    const ValueId root = roots_[index(node.inputs[at])];
    if (graph_.value(root).constant) {
      fail(ErrorCode::kInvalidArgument, node_place(node), "updates %{}, which is a constant", name(root));
    }
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (i != at && node.inputs[i] != kNoValue && roots_[index(node.inputs[i])] == root) {
        fail(ErrorCode::kInvalidArgument, node_place(node), "updates %{}, which is its input {} too",
             name(root), i);
      }
    }
    for (size_t v = 0; v < roots_.size(); ++v) {
      if (roots_[v] == root) updated_by_[v] = &node;
    }
  }

  const Graph& graph_;
  std::vector<bool> defined_;
  std::vector<ValueId> roots_;           // the value whose memory each occupies
  std::vector<const Node*> updated_by_;  // null while the value is what it was defined as
};

}  // namespace

// Arithmetic on dims and memory does not know the node that it is done for.
void throw_at(const Node& node, const Error& error) {
  const std::string_view where = error.where();
  if (where.starts_with("node ") || where.starts_with("graph ")) throw error;
  throw Error(error.code(), node_place(node), error.what());
}

void infer_node(Graph& graph, const Node& node, const OpSchema& schema, const OperatorRegistry& registry) {
  InferenceContext context(graph, node, registry);
  try {
    schema.infer(context);
    check_sizes(graph, node);
  } catch (const Error& error) {
    throw_at(node, error);
  }
}

std::string unknown_operator(const Node& node) {
  if (is_of_onnx(node.domain)) return "operator is not supported";
  return fmt::format(
      "domain \"{}\" has no operator {} here; --plugin loads custom operators (docs/plugins.md)", node.domain,
      node.op);
}

void infer_types(Graph& graph, const OperatorRegistry& registry) {
  Definitions definitions(graph);
  for (const Node& node : graph.nodes) {
    const OpSchema* schema = registry.find(node.domain, node.op);
    if (schema == nullptr) fail(ErrorCode::kUnsupported, node_place(node), "{}", unknown_operator(node));
    definitions.read_inputs(node);
    check_node(graph, node, *schema);
    definitions.define_outputs(node, *schema);
    infer_node(graph, node, *schema, registry);
  }
  definitions.read_outputs();
}

void infer_types_so_far(Graph& graph, size_t first, const OperatorRegistry& registry) {
  for (size_t n = first; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    const OpSchema* schema = registry.find(node.domain, node.op);
    if (schema == nullptr) continue;
    try {
      check_node(graph, node, *schema);
      InferenceContext context(graph, node, registry);
      schema->infer(context);
    } catch (const Error&) {
      continue;  // infer_types tells it, of the whole graph
    }
  }
}

}  // namespace oag
