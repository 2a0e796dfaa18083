#include <algorithm>
#include <map>

#include "base/clock.h"
#include "base/error.h"
#include "cli/compile_setup.h"
#include "cli/latency_engine.h"
#include "cli/output.h"
#include "engine/formats/onnx/onnx_import.h"
#include "engine/session/session.h"

namespace oag::cli {
namespace {

// The devices that compute the program, the one with most nodes first: "onnxruntime@1.32.0 + oag/cpu:avx2".
std::string engines_of(const Program& program) {
  std::map<std::string, int> nodes;
  for (const ExplainRow& row : explain(program)) nodes[row.device] += row.nodes;
  std::vector<std::pair<int, std::string>> names;
  for (const auto& [name, count] : nodes) names.emplace_back(-count, name);
  std::ranges::sort(names);
  std::string joined;
  for (const auto& each : names) joined += (joined.empty() ? "" : " + ") + each.second;
  return joined.empty() ? std::string(program.devices.front()->name()) : joined;
}

class SessionEngine final : public LatencyEngine {
 public:
  SessionEngine(const ModelOptions& options, const std::string& device, const std::vector<Tensor>& inputs)
      : bindings_{inputs, {}} {
    ModelOptions own = options;
    own.device = device;
    const TimePoint begin = Clock::now();
    const CompileSetup setup(own);
    OnnxModel model = import_onnx(own.model);
    files_ = std::move(model.files);
    const CompileOptions compile = setup.options_for(own.model, model);
    session_.emplace(make_runtime(own), std::move(model.graph), compile);
    load_ms_ = elapsed_ms(begin, Clock::now());
    name_ = engines_of(session_->program());
    if (own.explain) {
      print_stderr("{}:\n", name_);
      print_explain(session_->program());
    }
  }

  double run_ms(const RunControl& control) override {
    outputs_.clear();
    const TimePoint begin = Clock::now();
    const RunState state = session_->run(bindings_, control, outputs_);
    const double taken = elapsed_ms(begin, Clock::now());
    if (state != RunState::kDone) fail(ErrorCode::kCancelled, name_, "cancelled");
    return taken;
  }

 private:
  RunBindings bindings_;
  std::vector<std::shared_ptr<const MappedFile>> files_;
  std::optional<Session> session_;
};

}  // namespace

std::unique_ptr<LatencyEngine> open_session_engine(const ModelOptions& options, const std::string& device,
                                                   const std::vector<Tensor>& inputs) {
  return std::make_unique<SessionEngine>(options, device, inputs);
}

}  // namespace oag::cli
