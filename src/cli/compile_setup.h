#pragma once

#include <memory>
#include <string>

#include "cli/model_options.h"
#include "engine/formats/onnx/onnx_import.h"
#include "engine/session/program.h"

namespace oag::cli {

// What --plugin and --policy ask of compiles; lives as long as they last.
class CompileSetup {
 public:
  // Errors: as load_plugins, read_file and parse_policy.
  explicit CompileSetup(const ModelOptions& options);
  // For the model of this path.
  CompileOptions options_for(const std::string& path, const OnnxModel& model) const;

  KernelChoice kernels = KernelChoice::kBest;

 private:
  std::shared_ptr<const PlacementPolicy> policy_;
  OperatorRegistry registry_;
};

}  // namespace oag::cli
