#pragma once

#include <filesystem>

#include "engine/formats/onnx/onnx_import.h"
#include "engine/tensor/tensor.h"

namespace oag::cli {

// The value in a .pb file: the protobuf message of the port's type. Errors: as read_value_proto and
// read_file.
Tensor read_port_value(const OnnxPort& port, const std::filesystem::path& file);

}  // namespace oag::cli
