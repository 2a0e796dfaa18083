#include "engine/ops/verify.h"

#include <algorithm>
#include <map>

#include "base/error.h"

namespace oag {
namespace {

std::string node_place(const Node& node) {
  return fmt::format("node {} ({})", node.name, node.full_op());
}

void check_count(const Node& node, const FixedList<Parameter, 16>& formal, size_t seen,
                 std::string_view what) {
  const bool variadic = !formal.empty() && formal.back().variadic;
  size_t required = formal.size();
  while (required > 0 && (formal[required - 1].optional || formal[required - 1].variadic)) --required;
  if (variadic && !formal.back().optional) ++required;
  if (seen < required || (!variadic && seen > formal.size())) {
    fail(ErrorCode::kInvalidArgument, node_place(node), "has {} {}, its schema takes {}{}", seen, what,
         required,
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
  }
  return false;
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
      fail(ErrorCode::kInvalidArgument, node_place(node),
           "attribute {} has another type than its schema says", name);
    }
  }
}

void check_defined(const Graph& graph, const Node& node, const std::vector<bool>& defined) {
  for (const ValueId input : node.inputs) {
    if (input != kNoValue && !defined[static_cast<size_t>(input)]) {
      fail(ErrorCode::kInvalidArgument, node_place(node), "uses %{} before it is computed",
           graph.value(input).name);
    }
  }
}

}  // namespace

void infer_types(Graph& graph, const OperatorRegistry& registry) {
  std::vector<bool> defined(graph.value_count(), false);
  for (size_t i = 0; i < graph.value_count(); ++i)
    defined[i] = graph.value(static_cast<ValueId>(i)).constant.has_value();
  for (const ValueId input : graph.inputs) defined[static_cast<size_t>(input)] = true;
  for (const Node& node : graph.nodes) {
    const OpSchema* schema = registry.find(node.domain, node.op);
    if (schema == nullptr) {
      fail(ErrorCode::kUnsupported, node_place(node), "operator is not known; a plugin can provide it");
    }
    check_defined(graph, node, defined);
    check_inputs(graph, node, *schema);
    check_count(node, schema->outputs, node.outputs.size(), "outputs");
    check_attributes(node, *schema);
    InferenceContext context(graph, node);
    schema->infer(context);
    for (const ValueId output : node.outputs) {
      if (output != kNoValue) defined[static_cast<size_t>(output)] = true;
    }
  }
  for (const ValueId output : graph.outputs) {
    if (!defined[static_cast<size_t>(output)]) {
      fail(ErrorCode::kInvalidArgument, "graph " + graph.name, "output %{} is never computed",
           graph.value(output).name);
    }
  }
}

}  // namespace oag
