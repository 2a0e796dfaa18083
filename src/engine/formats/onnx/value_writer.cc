#include "base/error.h"
#include "engine/formats/onnx/onnx_encode.h"
#include "engine/formats/onnx/onnx_value.h"
#include "engine/formats/printable.h"
#include "engine/ops/onnx_dtype.h"
#include "engine/tensor/container.h"

namespace oag {
namespace {

// SequenceProto.DataType and OptionalProto.DataType of a value; the value's field is this plus 2 in both.
uint32_t kind_of(DType dtype) {
  switch (dtype) {
    case DType::kSequence: return 3;
    case DType::kMap: return 4;
    case DType::kOptional: return 5;
    default: return 1;
  }
}

ProtoWriter encode_value(const Tensor& value, std::string_view name);

// A SequenceProto or OptionalProto of these elements.
ProtoWriter encode_elements(std::span<const Tensor> elements, std::string_view name, bool is_sequence) {
  ProtoWriter writer;
  if (!name.empty()) writer.text(1, name);
  // An empty sequence is said to hold tensors, an empty optional nothing.
  const uint32_t kind = elements.empty() ? (is_sequence ? 1 : 0) : kind_of(elements.front().dtype());
  writer.integer(2, kind);
  for (const Tensor& element : elements) writer.message(kind + 2, encode_value(element, {}));
  return writer;
}

// Elements of a tensor [n] as tensors of no dims, which is how a MapProto holds them.
std::vector<Tensor> split(const Tensor& values) {
  std::vector<Tensor> elements;
  for (int64_t i = 0; i < values.count(); ++i) {
    const auto at = static_cast<size_t>(i);
    if (values.dtype() == DType::kString) {
      elements.push_back(make_strings({}, {strings_of(values)[at]}));
    } else {
      const size_t width = dtype_info(values.dtype()).block_bytes;
      elements.push_back(
          Tensor::of<std::byte>(values.dtype(), {}, values.bytes().subspan(at * width, width)));
    }
  }
  return elements;
}

int64_t integer_at(const Tensor& values, size_t i) {
  switch (values.dtype()) {
    case DType::kI8: return values.values<int8_t>()[i];
    case DType::kI16: return values.values<int16_t>()[i];
    case DType::kI32: return values.values<int32_t>()[i];
    case DType::kU8: return values.values<uint8_t>()[i];
    case DType::kU16: return values.values<uint16_t>()[i];
    case DType::kU32: return values.values<uint32_t>()[i];
    default: return values.values<int64_t>()[i];
  }
}

ProtoWriter encode_map(const Tensor& map, std::string_view name) {
  const Tensor& keys = elements_of(map)[0];
  const Tensor& values = elements_of(map)[1];
  ProtoWriter writer;
  if (!name.empty()) writer.text(1, name);
  writer.integer(2, onnx_from_dtype(keys.dtype()));
  if (keys.dtype() == DType::kString) {
    for (const std::string& key : strings_of(keys)) writer.text(4, key);
  } else {
    for (size_t i = 0; i < static_cast<size_t>(keys.count()); ++i) writer.integer(3, integer_at(keys, i));
  }
  if (values.dtype() == DType::kSequence) {
    writer.message(5, encode_elements(elements_of(values), {}, true));
  } else {
    writer.message(5, encode_elements(split(values), {}, true));
  }
  return writer;
}

ProtoWriter encode_value(const Tensor& value, std::string_view name) {
  switch (value.dtype()) {
    case DType::kSequence: return encode_elements(elements_of(value), name, true);
    case DType::kOptional: return encode_elements(elements_of(value), name, false);
    case DType::kMap: return encode_map(value, name);
    default: return encode_tensor(value, name);
  }
}

}  // namespace

ProtoWriter encode_tensor(const Tensor& tensor, std::string_view name) {
  const int64_t code = onnx_from_dtype(tensor.dtype());
  if (code == 0) {
    fail(ErrorCode::kUnsupported, "tensor " + printable(name), "is of type {}, which ONNX lacks",
         dtype_name(tensor.dtype()));
  }
  ProtoWriter writer;
  for (const int64_t dim : tensor.dims()) writer.integer(1, dim);
  writer.integer(2, code);
  if (tensor.dtype() == DType::kString) {
    for (const std::string& text : strings_of(tensor)) writer.text(6, text);
  }
  if (!name.empty()) writer.text(8, name);
  if (tensor.dtype() != DType::kString) writer.bytes(9, tensor.bytes());
  return writer;
}

std::string write_value_proto(const Tensor& value, std::string_view name) {
  return encode_value(value, name).take();
}

}  // namespace oag
