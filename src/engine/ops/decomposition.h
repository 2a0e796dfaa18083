#pragma once

#include <fmt/core.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/ops/schema.h"

namespace oag {

// What a schema's `decompose` writes: nodes and constants that are named after the node they stand for. Of an
// operator that has a reference kernel as well it writes and returns nothing where that is as good.
class Decomposition {
 public:
  Decomposition(Graph& graph, const Node& node) : graph_(graph), node_(node) {}

  const Node& node() const { return node_; }
  bool has_input(size_t i) const { return i < node_.inputs.size() && node_.inputs[i] != kNoValue; }
  ValueId input(size_t i) const { return has_input(i) ? node_.inputs[i] : kNoValue; }
  bool wants_output(size_t i) const { return i < node_.outputs.size() && node_.outputs[i] != kNoValue; }
  // What is known of an input of the node.
  DType dtype(size_t i) const { return graph_.value(node_.inputs[i]).type.dtype; }
  std::optional<size_t> rank(size_t i) const;
  bool is_known_not_to_be_one_value(size_t i) const;

  // A node; its first output, or `outputs` of them. Inputs at the end that are kNoValue are left out.
  ValueId add(std::string_view op, std::vector<ValueId> inputs, Attributes attributes = {},
              std::string_view domain = "");
  std::vector<ValueId> add_many(std::string_view op, std::vector<ValueId> inputs, Attributes attributes,
                                size_t outputs, std::string_view domain = "");
  // Constants: [n] i64, a scalar i64, a scalar of a floating type.
  ValueId integers(std::string_view what, const std::vector<int64_t>& values);
  ValueId integer(std::string_view what, int64_t value);
  ValueId number(std::string_view what, DType dtype, double value);
  ValueId constant(std::string_view what, Tensor value);

  // The node's attributes less those named.
  Attributes attributes_without(std::initializer_list<std::string_view> names) const;

  // [N, ..., C] as [N, C, ...] and back.
  ValueId channels_second(ValueId value, size_t rank);
  ValueId channels_last(ValueId value, size_t rank);

  // Errors: kUnsupported, prefixed with node and operator.
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    refuse_line(fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  [[noreturn]] void refuse_line(const std::string& message) const;
  std::string name_for(std::string_view what) const;

  Graph& graph_;
  const Node& node_;
};

// The shape rule of an operator that is nothing but its decomposition.
void infer_by_decomposition(InferenceContext& context);

// float(x) = (x - zero point) · scale with one scale and zero point for all, which are inputs of the node;
// the zero point may be left out.
ValueId add_dequantized(Decomposition& into, size_t x, size_t scale, size_t zero_point);
// The reverse, to the element type `dtype`.
ValueId add_quantized(Decomposition& into, ValueId x, size_t scale, size_t zero_point, DType dtype);

}  // namespace oag
