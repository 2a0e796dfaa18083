#include "engine/ops/decomposition.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "engine/ops/element.h"
#include "engine/ops/onnx_dtype.h"
#include "engine/ops/verify.h"

namespace oag {

std::optional<size_t> Decomposition::rank(size_t i) const {
  const auto& shape = graph_.value(node_.inputs[i]).type.shape;
  if (!shape) return std::nullopt;
  return shape->size();
}

bool Decomposition::is_known_not_to_be_one_value(size_t i) const {
  const auto& shape = graph_.value(node_.inputs[i]).type.shape;
  return shape &&
         std::ranges::any_of(*shape, [](const Dim& dim) { return dim.is_constant() && dim.constant() != 1; });
}

std::string Decomposition::name_for(std::string_view what) const {
  return fmt::format("{}.{}", node_.name.empty() ? node_.op : node_.name, what);
}

ValueId Decomposition::add(std::string_view op, std::vector<ValueId> inputs, Attributes attributes,
                           std::string_view domain) {
  return add_many(op, std::move(inputs), std::move(attributes), 1, domain)[0];
}

std::vector<ValueId> Decomposition::add_many(std::string_view op, std::vector<ValueId> inputs,
                                             Attributes attributes, size_t outputs, std::string_view domain) {
  while (!inputs.empty() && inputs.back() == kNoValue) inputs.pop_back();
  return graph_.add_node(domain, op, std::move(inputs), std::move(attributes), outputs, name_for(op)).outputs;
}

ValueId Decomposition::integers(std::string_view what, const std::vector<int64_t>& values) {
  return graph_.add_constant(name_for(what), Tensor::of<int64_t>(DType::kI64, {std::ssize(values)}, values));
}

ValueId Decomposition::integer(std::string_view what, int64_t value) {
  return graph_.add_constant(name_for(what),
                             Tensor::of<int64_t>(DType::kI64, {}, std::array<int64_t, 1>{value}));
}

ValueId Decomposition::number(std::string_view what, DType dtype, double value) {
  const Tensor scalar = Tensor::host(dtype, {});
  store_elements<double>(scalar, 0, 1, {&value, 1});
  return constant(what, scalar);
}

ValueId Decomposition::constant(std::string_view what, Tensor value) {
  return graph_.add_constant(name_for(what), std::move(value));
}

Attributes Decomposition::attributes_without(std::initializer_list<std::string_view> names) const {
  Attributes kept = node_.attributes;
  for (const std::string_view name : names) {
    const auto found = kept.find(name);
    if (found != kept.end()) kept.erase(found);
  }
  return kept;
}

ValueId Decomposition::channels_second(ValueId value, size_t rank) {
  std::vector<int64_t> order = {0, static_cast<int64_t>(rank) - 1};
  for (size_t d = 1; d + 1 < rank; ++d) order.push_back(static_cast<int64_t>(d));
  return add("Transpose", {value}, {{"perm", order}});
}

ValueId Decomposition::channels_last(ValueId value, size_t rank) {
  std::vector<int64_t> order = {0};
  for (size_t d = 2; d < rank; ++d) order.push_back(static_cast<int64_t>(d));
  order.push_back(1);
  return add("Transpose", {value}, {{"perm", order}});
}

void Decomposition::refuse_line(const std::string& message) const {
  fail(ErrorCode::kUnsupported, fmt::format("node {} ({})", node_.name, node_.full_op()), "{}", message);
}

void infer_by_decomposition(InferenceContext& context) {
  const Node& node = context.node();
  Graph scratch;
  scratch.scope = context.fresh_dim("").to_string();  // no other node's
  Node copy = node;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNoValue) continue;
    const Tensor* constant = context.constant(i);
    copy.inputs[i] = constant != nullptr ? scratch.add_constant("input", *constant)
                                         : scratch.add_input("input", context.type(i));
  }
  const auto* schema = context.registry().find(node.domain, node.op);
  const std::vector<ValueId> made = schema->decompose(scratch, copy);
  infer_types(scratch, context.registry());
  for (size_t o = 0; o < node.outputs.size(); ++o) {
    if (node.outputs[o] != kNoValue) context.set_output_type(o, scratch.value(made[o]).type);
  }
}

namespace {

void check_one_value(const Decomposition& into, size_t scale, size_t zero_point) {
  for (const size_t i : {scale, zero_point}) {
    if (into.has_input(i) && into.is_known_not_to_be_one_value(i))
      into.refuse("input {} must be one scale or zero point for all elements", i);
  }
}

}  // namespace

ValueId add_dequantized(Decomposition& into, size_t x, size_t scale, size_t zero_point) {
  check_one_value(into, scale, zero_point);
  return into.add("DequantizeLinear", {into.input(x), into.input(scale), into.input(zero_point)});
}

ValueId add_quantized(Decomposition& into, ValueId x, size_t scale, size_t zero_point, DType dtype) {
  check_one_value(into, scale, zero_point);
  return into.add("QuantizeLinear", {x, into.input(scale), into.input(zero_point)},
                  {{"output_dtype", onnx_from_dtype(dtype)}});
}

}  // namespace oag
