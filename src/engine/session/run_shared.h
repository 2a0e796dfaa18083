#pragma once

#include "engine/session/run.h"
#include "engine/session/runtime.h"

namespace oag {

// The state that a RunHandle and the thread that runs it share.
struct RunHandle::Shared {
  explicit Shared(const RunOptions& options) : control(options.priority, options.deadline) {}

  RunControl control;
  Runtime::Ticket ticket;  // set before the first RunHandle is given out
  mutable std::mutex mutex;
  mutable std::condition_variable ended;
  RunState state = RunState::kQueued;
  std::exception_ptr error;
  std::vector<Tensor> outputs;
  std::vector<std::function<void(RunState)>> callbacks;

  void start();
  void finish(RunState final_state, std::exception_ptr why);
};

}  // namespace oag
