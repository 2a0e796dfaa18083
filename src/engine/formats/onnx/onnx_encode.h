#pragma once

#include <string_view>

#include "engine/formats/onnx/proto_writer.h"
#include "engine/tensor/tensor.h"

namespace oag {

// The tensor as a TensorProto: strings in string_data, all else raw. Errors: kUnsupported for types ONNX
// lacks.
ProtoWriter encode_tensor(const Tensor& tensor, std::string_view name);

}  // namespace oag
