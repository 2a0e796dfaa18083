#include "engine/session/session.h"

#include <algorithm>

#include "base/error.h"
#include "engine/session/run_shared.h"

namespace oag {
namespace {

size_t index_of(const Graph& graph, const std::vector<ValueId>& ids, std::string_view name,
                std::string_view what) {
  for (size_t i = 0; i < ids.size(); ++i) {
    if (graph.value(ids[i]).name == name) return i;
  }
  std::string names;  // only an error needs them: a step of a language model looks up every layer's state
  for (const ValueId id : ids) names += (names.empty() ? "" : ", ") + graph.value(id).name;
  fail(ErrorCode::kNotFound, graph.name, "has no {} \"{}\"; it has: {}", what, name, names);
}

bool has_states(const Graph& graph) {
  return std::ranges::any_of(graph.inputs,
                             [&](ValueId input) { return graph.value(input).type.kind == TypeKind::kState; });
}

CompileOptions with_devices(CompileOptions options, Runtime& runtime, const Graph& graph) {
  if (options.devices.empty()) options.devices.assign(runtime.devices().begin(), runtime.devices().end());
  if (!options.open_engine)
    options.open_engine = [&](const std::string& name) { return runtime.open_engine(name); };
  if (has_states(graph)) {
    if (runtime.engine().empty()) return options;
    fail(ErrorCode::kUnsupported, "device " + runtime.engine(),
         "computes ONNX models; language models are computed by oag: leave the device out");
  }
  PlacementPolicy policy = options.policy ? *options.policy : PlacementPolicy();
  if (!runtime.engine().empty()) policy.rules.push_back({"", "", "", runtime.engine(), "--device"});
  options.policy = std::make_shared<const PlacementPolicy>(std::move(policy));
  return options;
}

std::shared_ptr<const Program> compile_for(Runtime& runtime, Graph graph, CompileOptions options) {
  options = with_devices(std::move(options), runtime, graph);
  return compile(std::move(graph), options);
}

}  // namespace

Session::Session(std::shared_ptr<Runtime> runtime, Graph graph, CompileOptions options)
    : runtime_(std::move(runtime)),
      program_(compile_for(*runtime_, std::move(graph), std::move(options))),
      executor_(std::make_shared<Executor>(program_)) {}

RunHandle Session::submit(RunBindings bindings, RunOptions options) const {
  auto shared = std::make_shared<RunHandle::Shared>(options);
  auto work = [shared, executor = executor_, bindings = std::move(bindings)]() mutable {
    shared->start();
    RunState state = RunState::kFailed;
    std::exception_ptr error;
    try {
      state = executor->run(bindings, shared->control, shared->outputs);
    } catch (...) {
      error = std::current_exception();
    }
    bindings = {};  // who waits for the end finds them let go
    executor.reset();
    shared->finish(state, error);
  };
  auto expire = [shared] { shared->finish(RunState::kDeadlineExceeded, nullptr); };
  shared->ticket = runtime_->enqueue(options.priority, std::move(work), options.deadline, std::move(expire));
  return RunHandle(std::move(shared));
}

RunState Session::run(const RunBindings& bindings, const RunControl& control,
                      std::vector<Tensor>& outputs) const {
  return executor_->run(bindings, control, outputs);
}

size_t Session::input_index(std::string_view name) const {
  return index_of(program_->graph, program_->graph.inputs, name, "input");
}

size_t Session::output_index(std::string_view name) const {
  return index_of(program_->graph, program_->graph.outputs, name, "output");
}

}  // namespace oag
