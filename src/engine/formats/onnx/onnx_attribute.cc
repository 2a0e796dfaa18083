#include "engine/formats/onnx/onnx_attribute.h"

#include "base/error.h"
#include "engine/formats/onnx/onnx_type.h"
#include "engine/formats/printable.h"
#include "engine/tensor/container.h"

namespace oag {
namespace {

// The tensor that an attribute of a Constant node stands for; each kind of attribute goes with some names
// only.
struct ConstantMaker {
  std::string_view key;

  std::optional<Tensor> operator()(const Tensor& value) const {
    if (key == "value" || key == "sparse_value") return value;
    return std::nullopt;
  }
  std::optional<Tensor> operator()(int64_t value) const {
    if (key != "value_int") return std::nullopt;
    return Tensor::of<int64_t>(DType::kI64, {}, {&value, 1});
  }
  std::optional<Tensor> operator()(float value) const {
    if (key != "value_float") return std::nullopt;
    return Tensor::of<float>(DType::kF32, {}, {&value, 1});
  }
  std::optional<Tensor> operator()(const std::string& value) const {
    if (key != "value_string") return std::nullopt;
    return make_strings({}, {value});
  }
  std::optional<Tensor> operator()(const std::vector<int64_t>& values) const {
    if (key != "value_ints") return std::nullopt;
    return Tensor::of<int64_t>(DType::kI64, {static_cast<int64_t>(values.size())}, values);
  }
  std::optional<Tensor> operator()(const std::vector<float>& values) const {
    if (key != "value_floats") return std::nullopt;
    return Tensor::of<float>(DType::kF32, {static_cast<int64_t>(values.size())}, values);
  }
  std::optional<Tensor> operator()(const std::vector<std::string>& values) const {
    if (key != "value_strings") return std::nullopt;
    return make_strings({static_cast<int64_t>(values.size())}, values);
  }
  template <typename Other>
  std::optional<Tensor> operator()(const Other&) const {
    return std::nullopt;
  }
};

}  // namespace

Tensor AttributeReader::tensor(const TensorMessage& message) {
  Tensor& known = tensors_[&message];
  if (!known.defined()) known = read_tensor(message, origin_);
  return known;
}

Tensor AttributeReader::tensor(const SparseTensorMessage& message) {
  Tensor& known = tensors_[&message];
  if (!known.defined()) known = read_sparse_tensor(message, origin_);
  return known;
}

Attribute AttributeReader::attribute(const AttributeMessage& message, const std::string& node) {
  const auto all = [this](const auto& messages) {
    std::vector<Tensor> tensors;
    for (const auto& one : messages) tensors.push_back(tensor(one));
    return make_sequence(std::move(tensors));
  };
  switch (message.type) {
    case AttributeMessage::kFloat: return message.floats.at(0);
    case AttributeMessage::kInt: return message.ints.at(0);
    case AttributeMessage::kString: return std::string(message.strings.at(0));
    case AttributeMessage::kTensor: return tensor(message.tensors.at(0));
    case AttributeMessage::kFloats: return message.floats;
    case AttributeMessage::kInts: return message.ints;
    case AttributeMessage::kStrings:
      return std::vector<std::string>(message.strings.begin(), message.strings.end());
    case AttributeMessage::kTensors: return all(message.tensors);
    case AttributeMessage::kSparseTensor: return tensor(message.sparse_tensors.at(0));
    case AttributeMessage::kSparseTensors: return all(message.sparse_tensors);
    case AttributeMessage::kType: return read_type(message.types.at(0), where_, std::string(message.name));
    default: break;
  }
  fail(ErrorCode::kUnsupported, where_, "{}: attribute {} is of type {}, which no operator has", node,
       printable(message.name), static_cast<int>(message.type));
}

Tensor constant_value(const Attributes& attributes, const std::string& where, const std::string& node) {
  if (attributes.size() != 1)
    fail(ErrorCode::kCorruptData, where, "{}: has {} attributes, expected one", node, attributes.size());
  const auto& [key, attribute] = *attributes.begin();
  if (auto tensor = std::visit(ConstantMaker{key}, attribute)) return *std::move(tensor);
  fail(ErrorCode::kCorruptData, where, "{}: its attribute {} is none that a constant has, or of another type",
       node, printable(key));
}

}  // namespace oag
