#include "engine/ops/schema.h"

#include <algorithm>

#include "base/error.h"
#include "engine/ops/verify.h"

namespace oag {

const Shape& InferenceContext::shape(size_t i) const {
  const ValueType& value_type = type(i);
  if (!value_type.shape) refuse("input {} has no known rank", i);
  return *value_type.shape;
}

const Tensor* InferenceContext::constant(size_t i) const {
  if (!has_input(i)) return nullptr;
  const Value& value = graph_.value(node_.inputs[i]);
  return value.constant ? &*value.constant : nullptr;
}

std::optional<std::vector<int64_t>> InferenceContext::constant_ints(size_t i) const {
  const Tensor* tensor = constant(i);
  if (tensor == nullptr) return std::nullopt;
  if (tensor->dtype() == DType::kI64) {
    const auto values = tensor->values<int64_t>();
    return std::vector<int64_t>(values.begin(), values.end());
  }
  if (tensor->dtype() == DType::kI32) {
    const auto values = tensor->values<int32_t>();
    return std::vector<int64_t>(values.begin(), values.end());
  }
  return std::nullopt;
}

void InferenceContext::set_output(size_t i, DType dtype, std::optional<Shape> shape) {
  set_output_type(i, ValueType::tensor(dtype, std::move(shape)));
}

void InferenceContext::set_output_type(size_t i, ValueType type) {
  if (i < node_.outputs.size() && node_.outputs[i] != kNoValue)
    graph_.value(node_.outputs[i]).type = std::move(type);
}

Dim InferenceContext::fresh_dim(std::string_view hint) const {
  // Names of values are unique in a graph, names of nodes need not be.
  const auto output = std::ranges::find_if(node_.outputs, [](ValueId id) { return id != kNoValue; });
  const std::string& name = output == node_.outputs.end() ? node_.name : graph_.value(*output).name;
  return Dim::symbol(fmt::format("{}{}.{}", graph_.scope, name, hint));
}

Shape InferenceContext::fresh_shape(int64_t rank) const {
  constexpr int64_t kMostDims = 64;
  if (rank < 0 || rank > kMostDims) refuse("its output would have {} dims; {} are the most", rank, kMostDims);
  Shape shape;
  for (int64_t d = 0; d < rank; ++d) shape.push_back(fresh_dim("d" + std::to_string(d)));
  return shape;
}

std::vector<ValueType> InferenceContext::infer_body(const Body& body) const {
  Graph graph = bind_body(graph_, node_, body);
  infer_types(graph, registry_);
  std::vector<ValueType> types;
  for (const ValueId output : graph.outputs) types.push_back(graph.value(output).type);
  return types;
}

Graph bind_body(const Graph& around, const Node& node, const Body& body) {
  Graph graph = *node.graph_attribute(body.attribute);
  graph.scope = fmt::format("{}{}.{}/", around.scope, node.name, body.attribute);
  if (graph.inputs.size() != body.inputs.size()) {
    fail(ErrorCode::kInvalidArgument, fmt::format("node {} ({})", node.name, node.full_op()),
         "its {} {} takes {} inputs, the node gives it {}", body.attribute, graph.name, graph.inputs.size(),
         body.inputs.size());
  }
  for (size_t i = 0; i < body.inputs.size(); ++i) {
    const ValueId input = graph.inputs[i];
    graph.value(input).type = body.inputs[i].type;
    if (const Tensor* constant = body.inputs[i].constant)
      graph.replace_uses(input, graph.add_constant(graph.value(input).name, *constant));
  }
  return graph;
}

void InferenceContext::refuse_line(const std::string& message) const {
  fail(ErrorCode::kInvalidArgument, fmt::format("node {} ({})", node_.name, node_.full_op()), "{}", message);
}

void OperatorRegistry::add(const OpSchema* schema) {
  if (find(schema->domain, schema->op) != nullptr) {
    fail(ErrorCode::kInvalidArgument, schema->op, "operator is registered twice in domain \"{}\"",
         schema->domain);
  }
  const auto before = [](const OpSchema* a, const OpSchema* b) {
    return std::tie(a->domain, a->op) < std::tie(b->domain, b->op);
  };
  schemas_.insert(std::upper_bound(schemas_.begin(), schemas_.end(), schema, before), schema);
}

void OperatorRegistry::add(std::shared_ptr<const OpSchema> schema) {
  add(schema.get());
  owned_.push_back(std::move(schema));
}

const OpSchema* OperatorRegistry::find(std::string_view domain, std::string_view op) const {
  const auto found = std::lower_bound(
      schemas_.begin(), schemas_.end(), std::tie(domain, op),
      [](const OpSchema* schema, const auto& key) { return std::tie(schema->domain, schema->op) < key; });
  if (found == schemas_.end() || (*found)->domain != domain || (*found)->op != op) return nullptr;
  return *found;
}

Shape broadcast_shapes(const InferenceContext& context, const Shape& a, const Shape& b) {
  Shape result(std::max(a.size(), b.size()));
  for (size_t i = 0; i < result.size(); ++i) {  // i counts from the last dim
    const Dim left = i < a.size() ? a[a.size() - 1 - i] : Dim(1);
    const Dim right = i < b.size() ? b[b.size() - 1 - i] : Dim(1);
    Dim& out = result[result.size() - 1 - i];
    if (left == right || right == Dim(1)) {
      out = left;
    } else if (left == Dim(1)) {
      out = right;
    } else if (left.is_constant() && right.is_constant()) {
      context.refuse("shapes {} and {} do not broadcast", to_string(a), to_string(b));
    } else {
      out = left.is_constant() ? left : right.is_constant() ? right : max(left, right);
    }
  }
  return result;
}

int64_t normalize_axis(const InferenceContext& context, int64_t axis, size_t rank) {
  const auto signed_rank = static_cast<int64_t>(rank);
  if (axis < -signed_rank || axis >= signed_rank) {
    context.refuse("axis {} is outside [-{}, {}) of rank {}", axis, rank, rank, rank);
  }
  return axis < 0 ? axis + signed_rank : axis;
}

}  // namespace oag
