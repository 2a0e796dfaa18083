#include "cli/compile_setup.h"

#include "base/file.h"
#include "cli/output.h"
#include "engine/plugins/load_plugin.h"

namespace oag::cli {
namespace {

constexpr size_t kMostPolicyBytes = size_t{1} << 20;

}  // namespace

CompileSetup::CompileSetup(const ModelOptions& options) {
  std::vector<std::string> plugins = options.plugins;
  if (!options.policy.empty()) {
    policy_ = std::make_shared<const PlacementPolicy>(
        parse_policy(read_file(options.policy, kMostPolicyBytes), printable(options.policy)));
    plugins.insert(plugins.begin(), policy_->plugins.begin(), policy_->plugins.end());
  }
  registry_ = load_plugins(plugins);
}

CompileOptions CompileSetup::options_for(const std::string& path, const OnnxModel& model) const {
  CompileOptions options;
  options.registry = &registry_;
  options.policy = policy_;
  options.kernels = kernels;
  options.model = path;
  options.imports = model.opset_imports;
  return options;
}

}  // namespace oag::cli
