#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/run_control.h"
#include "engine/tensor/tensor.h"

namespace oag {

class StepObserver;

struct RunOptions {
  int priority = 0;  // higher runs first
  std::optional<TimePoint> deadline;
};

// What a run reads and, where the caller wants to own the memory, writes. In the order of the graph's inputs
// and outputs. A defined output has the dims that the run gives, and receives its bytes whatever the output
// is (a view, an input, a constant, a state); an undefined one is allocated, or shows the memory of the
// input, constant or other output that it is a view of. Defined ones overlap neither each other nor what an
// undefined one shows; they may overlap inputs.
struct RunBindings {
  std::vector<Tensor> inputs;
  std::vector<Tensor> outputs;
  StepObserver* observer = nullptr;  // is told of every step; outlives the run
};

// A submitted run. Copies refer to the same run; dropping them does not cancel it.
class RunHandle {
 public:
  RunState status() const;  // never blocks

  // Waits until the run has ended and given back what it held, or `deadline` has come; returns the status
  // then.
  RunState wait(std::optional<TimePoint> deadline = {}) const;

  // Asks the run to stop and returns at once. A run that still waits for its turn has ended when this
  // returns.
  void cancel() const;

  // After kDone: outputs in graph order. Errors: rethrows the run's Error; kCancelled and kDeadlineExceeded
  // are Errors too.
  std::vector<Tensor> outputs() const;

  // Calls `callback` once when the run ends, on the thread that ran it, that cancelled it while it waited or
  // that saw its deadline pass; or at once if it has ended. What it throws is logged.
  void on_done(std::function<void(RunState)> callback) const;

 private:
  friend class Session;
  friend class Runtime;
  struct Shared;
  explicit RunHandle(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  std::shared_ptr<Shared> shared_;
};

}  // namespace oag
