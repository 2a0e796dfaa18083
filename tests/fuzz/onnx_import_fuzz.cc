// An ONNX model and each kind of value file from arbitrary bytes: read, or refused with oag::Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "base/error.h"
#include "engine/formats/onnx/onnx_import.h"
#include "engine/formats/onnx/onnx_value.h"
#include "engine/tensor/container.h"

namespace {

template <typename Reader>
void ask(Reader reader) {
  try {
    reader();
  } catch (const oag::Error&) {
  }
}

// Every byte of a value can be read, and what is written of it can be read again.
void touch(const oag::Tensor& tensor) {
  size_t sum = 0;
  if (oag::is_container(tensor.dtype())) {
    for (const oag::Tensor& element : oag::elements_of(tensor)) touch(element);
  } else if (tensor.dtype() == oag::DType::kString) {
    for (const std::string& text : oag::strings_of(tensor)) sum += text.size();
  } else {
    for (const std::byte byte : tensor.bytes()) sum += static_cast<size_t>(byte);
  }
  if (sum == SIZE_MAX) std::abort();
}

// Nodes use only what stands before them, in this graph and the closed graphs within.
void check_graph(const oag::Graph& graph) {
  std::vector<bool> made(graph.value_count());
  const auto use = [&](oag::ValueId id) {
    if (id != oag::kNoValue && !made[static_cast<size_t>(id)]) std::abort();
  };
  for (const oag::ValueId id : graph.inputs) made[static_cast<size_t>(id)] = true;
  for (size_t i = 0; i < made.size(); ++i) {
    const auto& constant = graph.value(static_cast<oag::ValueId>(i)).constant;
    if (!constant) continue;
    made[i] = true;
    touch(*constant);
  }
  for (const oag::Node& node : graph.nodes) {
    for (const oag::ValueId id : node.inputs) use(id);
    for (const oag::ValueId id : node.outputs) {
      if (id != oag::kNoValue) made[static_cast<size_t>(id)] = true;
    }
    for (const auto& [key, attribute] : node.attributes) {
      if (const auto* inner = std::get_if<oag::GraphPtr>(&attribute)) check_graph(**inner);
    }
  }
  for (const oag::ValueId id : graph.outputs) use(id);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  ask([&] {
    oag::OnnxImportOptions options;
    options.most_dense_bytes = size_t{1} << 20;
    check_graph(oag::import_onnx(bytes, "input.onnx", options).graph);
  });
  const oag::ValueType number = oag::ValueType::tensor(oag::DType::kF32, std::nullopt);
  for (const oag::ValueType& type :
       {number, oag::ValueType::sequence(number), oag::ValueType::optional(number),
        oag::ValueType::map(oag::DType::kI64, number)}) {
    ask([&] {
      const oag::Tensor value = oag::read_value_proto(bytes, type, "input.pb");
      touch(value);
      const std::string written = oag::write_value_proto(value);
      touch(oag::read_value_proto(std::as_bytes(std::span(written)), type, "written.pb"));
    });
  }
  return 0;
}
