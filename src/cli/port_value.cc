#include "cli/port_value.h"

#include "base/file.h"
#include "engine/formats/onnx/onnx_value.h"

namespace oag::cli {

Tensor read_port_value(const OnnxPort& port, const std::filesystem::path& file) {
  const std::string content = read_file(file);
  const auto bytes = std::as_bytes(std::span(content));
  return port.sparse ? read_sparse_tensor_proto(bytes, file.string())
                     : read_value_proto(bytes, port.type, file.string());
}

}  // namespace oag::cli
