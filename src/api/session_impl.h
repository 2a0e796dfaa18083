#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/formats/onnx/onnx_import.h"
#include "engine/session/session.h"
#include "openautoglm/openautoglm.h"

namespace openautoglm {

struct Session::Impl {
  Impl(std::shared_ptr<oag::Runtime> runtime, oag::OnnxModel model, std::string from,
       const oag::CompileOptions& options);

  // The caller's memory in the model's order. Errors: as Session::submit.
  oag::RunBindings bind(const std::vector<Input>& given_inputs,
                        const std::vector<Output>& given_outputs) const;
  // What a run left as the caller gets it. Errors: kIo when the model's file was damaged meanwhile.
  Outputs take(std::vector<oag::Tensor> tensors, const std::vector<oag::Tensor>& from_inputs) const;

  std::string path;
  std::vector<Port> inputs, outputs;
  std::vector<std::shared_ptr<const oag::MappedFile>> files;
  oag::Session session;
};

struct Outputs::Impl {
  std::string path;  // of the model, for errors
  std::vector<oag::Tensor> tensors;
  std::vector<TensorView> views;
};

struct Run::Impl {
  std::shared_ptr<const Session::Impl> session;
  std::vector<oag::Tensor> inputs;
  oag::RunHandle handle;
};

}  // namespace openautoglm
