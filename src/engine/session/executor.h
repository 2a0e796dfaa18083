#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <vector>

#include "base/run_control.h"
#include "engine/session/memory_plan.h"
#include "engine/session/program.h"
#include "engine/session/run.h"

namespace oag {

// Runs a program. Thread safe: each run takes a set of buffers from a pool and returns it when it ends, also
// when it ends with an error.
class Executor {
 public:
  explicit Executor(std::shared_ptr<const Program> program);
  ~Executor();

  // Runs on the calling thread until done, cancelled or past the deadline; fills `outputs` when done.
  // Errors: kInvalidArgument when bindings do not fit the graph's inputs and outputs, or given outputs share
  // memory with each other or with an output that is not given; what kernels throw on bad data.
  RunState run(const RunBindings& bindings, const RunControl& control, std::vector<Tensor>& outputs);

  const Program& program() const { return *program_; }

 private:
  struct Buffers;
  class Lease;

  DimBindings bind_dims(const RunBindings& bindings) const;
  std::shared_ptr<const MemoryPlan> plan_for(const DimBindings& bindings);
  std::unique_ptr<Buffers> take_buffers(std::shared_ptr<const MemoryPlan> plan);
  void allocate_late_outputs(Buffers& buffers, size_t step) const;
  void place_outputs(Buffers& buffers, const RunBindings& bindings) const;
  std::vector<Tensor> collect_outputs(const Buffers& buffers, const RunBindings& bindings) const;
  void release_run_tensors(Buffers& buffers) const noexcept;
  void return_buffers(std::unique_ptr<Buffers> buffers) noexcept;
  RunState run_steps(Buffers& buffers, const RunControl& control, StepObserver* observer) const;

  std::shared_ptr<const Program> program_;
  std::vector<std::vector<std::pair<uint32_t, uint32_t>>> uses_;  // value -> (step, input position)
  std::vector<std::pair<uint32_t, uint32_t>> makers_;             // value -> (step, output position)

  std::mutex mutex_;
  std::list<std::pair<DimBindings, std::shared_ptr<const MemoryPlan>>> plans_;  // most recently used first
  std::vector<std::unique_ptr<Buffers>> idle_;
};

}  // namespace oag
