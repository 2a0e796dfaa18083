#include "cli/case_runner.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/failure.h"
#include "cli/output.h"
#include "cli/port_value.h"
#include "engine/formats/onnx/onnx_import.h"

namespace oag::cli {
namespace {

// A case's model, ready to run.
struct LoadedModel {
  std::vector<OnnxPort> inputs, outputs;
  std::vector<std::shared_ptr<const MappedFile>> files;
  Session session;

  LoadedModel(OnnxModel model, const std::shared_ptr<Runtime>& runtime, const CompileOptions& options)
      : inputs(std::move(model.inputs)),
        outputs(std::move(model.outputs)),
        files(std::move(model.files)),
        session(runtime, std::move(model.graph), options) {}
};

// `output "y" of Relu "n0"`: which output it is, and the node that makes it.
std::string output_text(const LoadedModel& model, size_t index) {
  const Graph& graph = model.session.program().graph;
  std::string text = fmt::format("output {}", cli::quoted(model.outputs[index].name));
  for (const Node& node : graph.nodes) {
    if (std::find(node.outputs.begin(), node.outputs.end(), graph.outputs[index]) == node.outputs.end())
      continue;
    text += fmt::format(" of {}", node.full_op());
    if (!node.name.empty()) text += " " + cli::quoted(node.name);
  }
  return text;
}

std::vector<Tensor> read_inputs(const LoadedModel& model, const ModelDataSet& set) {
  if (set.inputs.size() != model.inputs.size())
    fail(ErrorCode::kInvalidArgument, set.name, "has {} inputs, the model takes {}", set.inputs.size(),
         model.inputs.size());
  std::vector<Tensor> inputs;
  for (size_t k = 0; k < set.inputs.size(); ++k)
    inputs.push_back(read_port_value(model.inputs[k], set.inputs[k]));
  return inputs;
}

// Empty where all outputs are as expected.
std::string run_data_set(const LoadedModel& model, const ModelDataSet& set, const Tolerance& tolerance,
                         const RunControl& control) {
  if (set.outputs.size() > model.outputs.size())
    return fmt::format("{} has {} outputs, the model makes {}", set.name, set.outputs.size(),
                       model.outputs.size());
  std::vector<Tensor> outputs;
  const RunState state = model.session.run({read_inputs(model, set), {}}, control, outputs);
  if (state == RunState::kCancelled) fail(ErrorCode::kCancelled, set.name, "cancelled");
  if (state == RunState::kDeadlineExceeded) return "it took longer than --timeout allows";
  for (const auto& file : model.files) {
    if (file->damaged()) fail(ErrorCode::kIo, file->path().string(), "became shorter while it was read");
  }
  for (size_t k = 0; k < set.outputs.size(); ++k) {
    const std::string wrong =
        difference(outputs[k], read_port_value(model.outputs[k], set.outputs[k]), tolerance);
    if (!wrong.empty()) return fmt::format("{}: {}", output_text(model, k), wrong);
  }
  return "";
}

std::string run_data_sets(const ModelCase& model_case, const std::shared_ptr<Runtime>& runtime,
                          const CompileSetup& setup, const RunControl& control) {
  const std::vector<ModelDataSet> sets = data_sets_of(model_case);
  const std::filesystem::path path = model_case.folder / "model.onnx";
  OnnxModel imported = import_onnx(path);
  const CompileOptions options = setup.options_for(path.string(), imported);
  const LoadedModel model(std::move(imported), runtime, options);
  for (const ModelDataSet& set : sets) {
    const std::string wrong = run_data_set(model, set, model_case.tolerance, control);
    if (!wrong.empty()) return sets.size() == 1 ? wrong : fmt::format("{}: {}", set.name, wrong);
  }
  return "";
}

// The case's name says where it is: its folder is taken out of what is told about its files.
std::string without_folder(std::string text, const std::string& folder) {
  if (text.starts_with(folder + ": ")) text.erase(0, folder.size() + 2);
  const std::string prefix = folder + "/";
  for (size_t at = 0; (at = text.find(prefix, at)) != std::string::npos;) text.erase(at, prefix.size());
  return text;
}

}  // namespace

CaseResult run_case(const ModelCase& model_case, const std::shared_ptr<Runtime>& runtime,
                    const CompileSetup& setup, const RunControl& control) {
  const TimePoint begin = Clock::now();
  CaseResult result;
  try {
    result.reason = run_data_sets(model_case, runtime, setup, control);
  } catch (const std::exception& error) {
    if (control.cancelled()) return result;
    result.reason = without_folder(failure_text(error), model_case.folder.string());
  }
  result.status = result.reason.empty() ? CaseResult::Status::kPassed : CaseResult::Status::kFailed;
  result.ms = elapsed_ms(begin, Clock::now());
  return result;
}

}  // namespace oag::cli
