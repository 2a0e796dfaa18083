#include "engine/graph/graph.h"

#include "base/error.h"

namespace oag {
namespace {

template <typename T>
const T* find_attribute(const Node& node, std::string_view key) {
  const auto found = node.attributes.find(key);
  if (found == node.attributes.end()) return nullptr;
  const T* value = std::get_if<T>(&found->second);
  if (value == nullptr) {
    fail(ErrorCode::kInvalidArgument, node.name, "attribute {} of {} has another type than its schema says",
         key, node.full_op());
  }
  return value;
}

}  // namespace

int64_t Node::int_attribute(std::string_view key) const {
  const auto* value = find_attribute<int64_t>(*this, key);
  if (value == nullptr)
    fail(ErrorCode::kInvalidArgument, name, "{} lacks its required attribute {}", full_op(), key);
  return *value;
}

int64_t Node::int_attribute(std::string_view key, int64_t fallback) const {
  const auto* value = find_attribute<int64_t>(*this, key);
  return value == nullptr ? fallback : *value;
}

float Node::float_attribute(std::string_view key, float fallback) const {
  const auto* value = find_attribute<float>(*this, key);
  return value == nullptr ? fallback : *value;
}

std::string Node::string_attribute(std::string_view key, std::string_view fallback) const {
  const auto* value = find_attribute<std::string>(*this, key);
  return value == nullptr ? std::string(fallback) : *value;
}

std::vector<int64_t> Node::ints_attribute(std::string_view key, const std::vector<int64_t>& fallback) const {
  const auto* value = find_attribute<std::vector<int64_t>>(*this, key);
  return value == nullptr ? fallback : *value;
}

std::vector<float> Node::floats_attribute(std::string_view key) const {
  const auto* value = find_attribute<std::vector<float>>(*this, key);
  return value == nullptr ? std::vector<float>() : *value;
}

std::vector<std::string> Node::strings_attribute(std::string_view key) const {
  const auto* value = find_attribute<std::vector<std::string>>(*this, key);
  return value == nullptr ? std::vector<std::string>() : *value;
}

const Tensor* Node::tensor_attribute(std::string_view key) const {
  return find_attribute<Tensor>(*this, key);
}

const ValueType* Node::type_attribute(std::string_view key) const {
  return find_attribute<ValueType>(*this, key);
}

GraphPtr Node::graph_attribute(std::string_view key) const {
  const auto* value = find_attribute<GraphPtr>(*this, key);
  if (value == nullptr)
    fail(ErrorCode::kInvalidArgument, name, "{} lacks its required attribute {}", full_op(), key);
  return *value;
}

std::string Graph::unique_name(std::string wanted) {
  if (wanted.empty()) wanted = "v";
  if (!by_name_.contains(wanted)) return wanted;
  for (;;) {
    std::string candidate = wanted + "_" + std::to_string(++name_counts_[wanted]);
    if (!by_name_.contains(candidate)) return candidate;
  }
}

ValueId Graph::add_value(std::string value_name, ValueType type) {
  value_name = unique_name(std::move(value_name));
  const auto id = static_cast<ValueId>(values_.size());
  by_name_.emplace(value_name, id);
  values_.push_back({std::move(value_name), std::move(type), std::nullopt});
  return id;
}

ValueId Graph::add_input(std::string value_name, ValueType type) {
  const ValueId id = add_value(std::move(value_name), std::move(type));
  inputs.push_back(id);
  return id;
}

ValueId Graph::add_constant(std::string value_name, Tensor tensor) {
  const ValueId id =
      add_value(std::move(value_name), ValueType::tensor(tensor.dtype(), to_shape(tensor.dims())));
  value(id).constant = std::move(tensor);
  return id;
}

Node& Graph::add_node(std::string_view domain, std::string_view op, std::vector<ValueId> node_inputs,
                      Attributes attributes, size_t output_count, std::string node_name) {
  Node node{std::string(domain),  std::string(op), std::move(node_name), std::move(node_inputs), {},
            std::move(attributes)};
  if (node.name.empty()) node.name = node.op + "_" + std::to_string(nodes.size());
  for (size_t i = 0; i < output_count; ++i) {
    node.outputs.push_back(add_value(i == 0 ? node.name : node.name + "." + std::to_string(i)));
  }
  return nodes.emplace_back(std::move(node));
}

ValueId Graph::add(std::string_view domain, std::string_view op, std::vector<ValueId> node_inputs,
                   Attributes attributes, std::string node_name) {
  return add_node(domain, op, std::move(node_inputs), std::move(attributes), 1, std::move(node_name))
      .outputs[0];
}

std::optional<ValueId> Graph::find_value(std::string_view value_name) const {
  const auto found = by_name_.find(value_name);
  if (found == by_name_.end()) return std::nullopt;
  return found->second;
}

void Graph::replace_uses(ValueId from, ValueId to) {
  for (Node& node : nodes) {
    for (ValueId& input : node.inputs) {
      if (input == from) input = to;
    }
  }
  for (ValueId& output : outputs) {
    if (output == from) output = to;
  }
}

std::vector<int> Graph::producers() const {
  std::vector<int> made_by(values_.size(), -1);
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const ValueId output : nodes[i].outputs) {
      if (output != kNoValue) made_by[static_cast<size_t>(output)] = static_cast<int>(i);
    }
  }
  return made_by;
}

std::vector<int> Graph::use_counts() const {
  std::vector<int> counts(values_.size(), 0);
  const auto count = [&](ValueId id) {
    if (id != kNoValue) ++counts[static_cast<size_t>(id)];
  };
  for (const Node& node : nodes) {
    for (const ValueId input : node.inputs) count(input);
  }
  for (const ValueId output : outputs) count(output);
  return counts;
}

}  // namespace oag
