#pragma once

#include "engine/backends/openvino/openvino_library.h"
#include "engine/device/graph_device.h"

namespace oag::openvino {

// OpenVINO's device CPU.
class OpenVinoDevice final : public GraphDevice {
 public:
  OpenVinoDevice(const Library& library, int threads);

  std::unique_ptr<Kernel> load(const Graph& body, const OpsetImports& imports) override;
  std::vector<ValueType> infer(const Graph& body, const OpsetImports& imports) override;

 private:
  const Library& library_;
  int threads_;
};

}  // namespace oag::openvino
