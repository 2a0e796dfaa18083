#include "engine/formats/onnx/old_node.h"

#include <array>

#include "base/error.h"
#include "engine/ops/onnx_dtype.h"
#include "engine/tensor/float16.h"

namespace oag {
namespace {

// `value` as one element of a floating type; nothing for other types.
std::optional<Tensor> float_scalar(DType dtype, float value) {
  const auto scalar = [&]<typename T>(T element) {
    return Tensor::of<T>(dtype, {}, std::array<T, 1>{element});
  };
  switch (dtype) {
    case DType::kF32: return scalar(value);
    case DType::kF64: return scalar(static_cast<double>(value));
    case DType::kF16: return scalar(f16_from_f32(value));
    case DType::kBF16: return scalar(bf16_from_f32(value));
    default: return std::nullopt;
  }
}

}  // namespace

std::string OldNode::name_for(std::string_view what) const {
  return fmt::format("{}.{}", node.name.empty() ? node.op : node.name, what);
}

void OldNode::refuse_line(const std::string& message) const {
  fail(ErrorCode::kUnsupported, node.name, "{} of opset {}: {}", node.full_op(), opset, message);
}

ValueId OldNode::input(size_t i) const {
  if (!has_input(i)) {
    fail(ErrorCode::kInvalidArgument, node.name, "{} of opset {} lacks its input {}", node.full_op(), opset,
         i + 1);
  }
  return node.inputs[i];
}

DType OldNode::dtype(ValueId id) const {
  return id == kNoValue ? DType::kUndefined : graph.value(id).type.dtype;
}

std::optional<int64_t> OldNode::rank(ValueId id) const {
  const ValueType& type = graph.value(id).type;
  if (type.kind != TypeKind::kTensor || !type.shape) return std::nullopt;
  return static_cast<int64_t>(type.shape->size());
}

const Tensor* OldNode::constant(ValueId id) const {
  if (id == kNoValue || !graph.value(id).constant) return nullptr;
  return &*graph.value(id).constant;
}

ValueId OldNode::add(std::string_view op, std::vector<ValueId> inputs, Attributes attributes) {
  return graph.add("", op, std::move(inputs), std::move(attributes), name_for(op));
}

std::vector<ValueId> OldNode::add_many(std::string_view op, std::vector<ValueId> inputs,
                                       Attributes attributes, size_t output_count) {
  return graph.add_node("", op, std::move(inputs), std::move(attributes), output_count, name_for(op)).outputs;
}

ValueId OldNode::integer(std::string_view what, int64_t value) {
  return graph.add_constant(name_for(what),
                            Tensor::of<int64_t>(DType::kI64, {}, std::array<int64_t, 1>{value}));
}

ValueId OldNode::truth(std::string_view what) {
  return graph.add_constant(name_for(what), Tensor::of<bool>(DType::kBool, {}, std::array<bool, 1>{true}));
}

ValueId OldNode::ints(std::string_view what, const std::vector<int64_t>& values) {
  return graph.add_constant(name_for(what), Tensor::of<int64_t>(DType::kI64, {std::ssize(values)}, values));
}

ValueId OldNode::floats(std::string_view what, const std::vector<float>& values) {
  return graph.add_constant(name_for(what), Tensor::of<float>(DType::kF32, {std::ssize(values)}, values));
}

ValueId OldNode::scalar_like(std::string_view what, float value, ValueId like) {
  if (auto known = float_scalar(dtype(like), value)) {
    return graph.add_constant(name_for(what), std::move(*known));
  }
  return add("CastLike", {graph.add_constant(name_for(what), *float_scalar(DType::kF32, value)), like});
}

ValueId OldNode::rank_of(ValueId id) {
  return add("Shape", {add("Shape", {id})});
}

ValueId OldNode::ones(ValueId count) {
  const Tensor one = Tensor::of<int64_t>(DType::kI64, {1}, std::array<int64_t, 1>{1});
  return add("ConstantOfShape", {count}, {{"value", one}});
}

void OldNode::push() {
  graph.nodes.push_back(node);
}

void OldNode::push_as(std::string_view op, std::vector<ValueId> inputs, Attributes attributes) {
  node.domain.clear();
  node.op = op;
  node.inputs = std::move(inputs);
  node.attributes = std::move(attributes);
  push();
}

void OldNode::push_through_double() {
  const ValueId x = input(0);
  std::vector<ValueId> inputs = node.inputs;
  inputs[0] = add("Cast", {x}, {{"to", onnx_from_dtype(DType::kF64)}});
  push_as("CastLike", {add(node.op, std::move(inputs), node.attributes), x});
}

void OldNode::add_as(ValueId output, std::string_view op, std::vector<ValueId> inputs,
                     Attributes attributes) {
  graph.nodes.push_back(
      {"", std::string(op), name_for(op), std::move(inputs), {output}, std::move(attributes)});
}

ValueId OldNode::detach_output(size_t i) {
  const ValueId old = node.outputs[i];
  node.outputs[i] = graph.add_value(name_for("output"));
  return old;
}

void OldNode::erase(std::string_view attribute) {
  const auto found = node.attributes.find(attribute);
  if (found != node.attributes.end()) node.attributes.erase(found);
}

int64_t OldNode::erase_int(std::string_view attribute, int64_t fallback) {
  const int64_t value = node.int_attribute(attribute, fallback);
  erase(attribute);
  return value;
}

void OldNode::attribute_to_input(std::string_view attribute, size_t i) {
  if (!node.has_attribute(attribute)) return;
  set_input(i, ints(attribute, node.ints_attribute(attribute)));
  erase(attribute);
}

void OldNode::set_input(size_t i, ValueId id) {
  if (node.inputs.size() <= i) node.inputs.resize(i + 1, kNoValue);
  node.inputs[i] = id;
}

}  // namespace oag
