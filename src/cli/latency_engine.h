#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/run_control.h"
#include "cli/model_options.h"
#include "engine/tensor/tensor.h"

namespace oag::cli {

// One engine with one ONNX model and its inputs, ready to be timed.
class LatencyEngine {
 public:
  virtual ~LatencyEngine() = default;

  const std::string& name() const { return name_; }  // with version and device: "onnxruntime@1.32.0"
  double load_ms() const { return load_ms_; }        // from the file to where it can run
  const std::vector<Tensor>& outputs() const { return outputs_; }  // of the last run; may be left out

  // Runs once; how long it took. Errors: the engine's; kCancelled when `control` was.
  virtual double run_ms(const RunControl& control) = 0;

 protected:
  std::string name_;
  double load_ms_ = 0;
  std::vector<Tensor> outputs_;
};

// A device of this program: its own engine, or another one behind a bridge. Errors: those of the import and
// of Session; kUnsupported for an engine that is not available.
std::unique_ptr<LatencyEngine> open_session_engine(const ModelOptions& options, const std::string& device,
                                                   const std::vector<Tensor>& inputs);

// PyTorch in a Python process of its own, which runs the model that the ONNX file was exported from: an
// exported program (.pt2) or a TorchScript (.pt), whose inputs are the ONNX model's in their order. Python is
// $OAG_PYTHON, else python3. Errors: kInvalidArgument for inputs that .npy lacks; kUnsupported with what the
// process said.
std::unique_ptr<LatencyEngine> open_pytorch_engine(const std::string& source,
                                                   const std::vector<Tensor>& inputs, int threads);

}  // namespace oag::cli
