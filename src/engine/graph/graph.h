#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/tensor/dim.h"
#include "engine/tensor/dtype.h"
#include "engine/tensor/tensor.h"

namespace oag {

class Graph;

using ValueId = int32_t;
inline constexpr ValueId kNoValue = -1;  // an optional input or output that is left out

// What a value is. `state` is memory that an updating operator takes and returns (a KV cache).
enum class TypeKind { kTensor, kState, kSequence, kOptional, kMap };

struct ValueType {
  TypeKind kind = TypeKind::kTensor;
  DType dtype = DType::kUndefined;           // as the Tensor of such a value has: of containers their own
  std::optional<Shape> shape;                // of tensors; nothing when even the rank is unknown
  std::shared_ptr<const ValueType> element;  // of sequences and optionals; of maps, the type of a key's value
  DType key = DType::kUndefined;             // of maps

  static ValueType tensor(DType dtype, std::optional<Shape> shape) {
    return {TypeKind::kTensor, dtype, std::move(shape), nullptr};
  }
  static ValueType sequence(ValueType element);
  static ValueType optional(ValueType element);
  static ValueType map(DType key, ValueType element);

  // Whether every value of the type `other` is one of this type: an unknown rank or element takes any, equal
  // symbols count, others do not.
  bool includes(const ValueType& other) const;
};

// The narrowest type known to include both; the shape of tensors of unequal shape keeps equal dims, the
// others becoming symbols that begin with `hint`. Nothing when their kinds or element types differ.
std::optional<ValueType> join_types(const ValueType& a, const ValueType& b, const std::string& hint);

// "f32[N, 3]", "sequence(f32[...])": for people.
std::string to_string(const ValueType& type);

using GraphPtr = std::shared_ptr<const Graph>;
using Attribute = std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>,
                               std::vector<std::string>, Tensor, GraphPtr, std::vector<GraphPtr>, ValueType>;
using Attributes = std::map<std::string, Attribute, std::less<>>;

struct Value {
  std::string name;
  ValueType type;
  std::optional<Tensor> constant;  // weights and folded values
};

// One application of an operator. The default domain "" is ai.onnx; the product's own operators are in "oag".
struct Node {
  std::string domain;
  std::string op;
  std::string name;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  Attributes attributes;

  // Errors (getters): kInvalidArgument naming node and attribute when absent or of another type.
  int64_t int_attribute(std::string_view key) const;
  int64_t int_attribute(std::string_view key, int64_t fallback) const;
  float float_attribute(std::string_view key, float fallback) const;
  std::string string_attribute(std::string_view key, std::string_view fallback) const;
  std::vector<int64_t> ints_attribute(std::string_view key, const std::vector<int64_t>& fallback = {}) const;
  std::vector<float> floats_attribute(std::string_view key) const;         // empty when absent
  std::vector<std::string> strings_attribute(std::string_view key) const;  // empty when absent
  const Tensor* tensor_attribute(std::string_view key) const;              // null when absent
  const ValueType* type_attribute(std::string_view key) const;             // null when absent
  GraphPtr graph_attribute(std::string_view key) const;
  bool has_attribute(std::string_view key) const { return attributes.contains(key); }
  std::string full_op() const { return domain.empty() ? op : domain + "." + op; }
};

// A function from inputs to outputs: values in static single assignment, nodes in topological order.
// Plain data: copying a Graph copies the structure and shares constant bytes.
class Graph {
 public:
  explicit Graph(std::string graph_name = "main") : name(std::move(graph_name)) {}

  ValueId add_value(std::string value_name, ValueType type = {});
  ValueId add_input(std::string value_name, ValueType type);
  ValueId add_constant(std::string value_name, Tensor tensor);
  // Appends a node with `output_count` fresh outputs. Value names are made unique.
  Node& add_node(std::string_view domain, std::string_view op, std::vector<ValueId> node_inputs,
                 Attributes attributes = {}, size_t output_count = 1, std::string node_name = "");
  // The same, returning the first output.
  ValueId add(std::string_view domain, std::string_view op, std::vector<ValueId> node_inputs,
              Attributes attributes = {}, std::string node_name = "");

  Value& value(ValueId id) { return values_[static_cast<size_t>(id)]; }
  const Value& value(ValueId id) const { return values_[static_cast<size_t>(id)]; }
  size_t value_count() const { return values_.size(); }
  std::optional<ValueId> find_value(std::string_view value_name) const;

  // Every use of `from`, graph outputs included, becomes a use of `to`.
  void replace_uses(ValueId from, ValueId to);

  // For each value: index of the node that makes it, or -1. For each value: how many node inputs and graph
  // outputs use it.
  std::vector<int> producers() const;
  std::vector<int> use_counts() const;

  std::string name;
  std::string scope;  // of a body: what tells its symbols from those of the graphs around it
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::vector<Node> nodes;

 private:
  std::string unique_name(std::string wanted);

  std::vector<Value> values_;
  std::map<std::string, ValueId, std::less<>> by_name_;
  std::map<std::string, int, std::less<>> name_counts_;
};

// Readable text: one line per input, constant, node and output, with types. For people and for golden tests.
std::string print_graph(const Graph& graph);

}  // namespace oag
