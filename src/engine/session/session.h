#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/session/executor.h"
#include "engine/session/program.h"
#include "engine/session/run.h"
#include "engine/session/runtime.h"

namespace oag {

// A compiled graph that can be run, by many threads at once. Made from a Runtime, whose pool and devices it
// uses.
class Session {
 public:
  // Compiles `graph` for the Runtime's devices. Errors: as compile().
  Session(std::shared_ptr<Runtime> runtime, Graph graph, CompileOptions options = {});

  // Queues a run and returns at once. Errors: as Runtime::enqueue; what is wrong with the run itself reaches
  // the handle.
  RunHandle submit(RunBindings bindings, RunOptions options = {}) const;

  // Runs on the calling thread. `control` may be cancelled from any thread. Fills `outputs` on kDone.
  // Errors: as RunHandle::outputs, but being stopped is a return value.
  RunState run(const RunBindings& bindings, const RunControl& control, std::vector<Tensor>& outputs) const;

  const Program& program() const { return *program_; }
  const Runtime& runtime() const { return *runtime_; }

  // Position of a named input or output. Errors: kNotFound, listing the names there are.
  size_t input_index(std::string_view name) const;
  size_t output_index(std::string_view name) const;

 private:
  std::shared_ptr<Runtime> runtime_;
  std::shared_ptr<const Program> program_;
  std::shared_ptr<Executor> executor_;  // shared with runs in flight
};

}  // namespace oag
