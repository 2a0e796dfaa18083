#pragma once

#include "engine/backends/onnxruntime/onnxruntime_library.h"
#include "engine/device/graph_device.h"

namespace oag::onnxruntime {

// ONNX Runtime's CPU execution provider.
class OnnxRuntimeDevice final : public GraphDevice {
 public:
  OnnxRuntimeDevice(const Library& library, int threads);

  std::unique_ptr<Kernel> load(const Graph& body, const OpsetImports& imports) override;
  std::vector<ValueType> infer(const Graph& body, const OpsetImports& imports) override;

 private:
  const Library& library_;
  int threads_;
};

}  // namespace oag::onnxruntime
