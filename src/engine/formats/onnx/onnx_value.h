#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "engine/graph/graph.h"
#include "engine/tensor/tensor.h"

namespace oag {

// Values in files of their own, such as the input_0.pb and output_0.pb of ONNX's test cases: a TensorProto,
// SequenceProto, OptionalProto or MapProto. The file does not say which of them it holds.

// The value of a file that holds one of the type's kind; element types and shapes are the file's. `where`
// names the file in errors. Nothing refers to `bytes` afterwards. Errors: kCorruptData; kUnsupported for
// element types that the engine lacks.
Tensor read_value_proto(std::span<const std::byte> bytes, const ValueType& type, const std::string& where);

// The same for a TensorProto, and for a SparseTensorProto, whose zeros are written out.
Tensor read_tensor_proto(std::span<const std::byte> bytes, const std::string& where);
Tensor read_sparse_tensor_proto(std::span<const std::byte> bytes, const std::string& where);

// The encoded value: a TensorProto, or what its dtype says for containers. Errors: kUnsupported for types
// that ONNX lacks.
std::string write_value_proto(const Tensor& value, std::string_view name = {});

}  // namespace oag
