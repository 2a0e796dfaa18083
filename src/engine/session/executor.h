#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
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
  class Bodies;
  using BodyExecutors = std::map<std::string, std::unique_ptr<Executor>, std::less<>>;

  // Where the dims of an output come from once the inputs of its step are known.
  struct LateOutput;

  void find_next_reads();
  void find_late_outputs();
  DimBindings bind_dims(const RunBindings& bindings) const;
  std::shared_ptr<const MemoryPlan> plan_for(const DimBindings& bindings);
  bool fits(const Buffers& buffers, const RunBindings& bindings) const;
  std::unique_ptr<Buffers> take_idle(const RunBindings& bindings);
  std::unique_ptr<Buffers> take_buffers(const RunBindings& bindings);
  void bind_values(Buffers& buffers) const;
  void bind_steps(Buffers& buffers) const;
  bool is_view(const Buffers& buffers, size_t step) const;
  void set_value(Buffers& buffers, ValueId id, const Tensor& tensor) const;
  std::optional<Dims> late_dims(const Buffers& buffers, size_t step, size_t output) const;
  void allocate_late_outputs(Buffers& buffers, size_t step) const;
  void place_outputs(Buffers& buffers, const RunBindings& bindings) const;
  std::vector<Tensor> collect_outputs(const Buffers& buffers, const RunBindings& bindings) const;
  void release_run_tensors(Buffers& buffers) const noexcept;
  void return_buffers(std::unique_ptr<Buffers> buffers) noexcept;
  void run_step(Buffers& buffers, size_t step, Stream& stream, const RunControl& control,
                StepObserver* observer) const;
  RunState run_steps(Buffers& buffers, const RunControl& control, StepObserver* observer) const;

  std::shared_ptr<const Program> program_;
  std::vector<std::vector<std::pair<uint32_t, uint32_t>>> uses_;  // value -> (step, input position)
  std::vector<std::pair<uint32_t, uint32_t>> makers_;             // value -> (step, output position)
  std::vector<BodyExecutors> bodies_;                             // by step
  std::vector<bool> returned_;                                    // values that are graph outputs
  std::vector<std::vector<LateOutput>> late_;                     // by step and output
  std::vector<std::span<const std::byte>> next_reads_;  // step with packed weights -> those of the next one

  std::mutex mutex_;
  std::list<std::pair<DimBindings, std::shared_ptr<const MemoryPlan>>> plans_;  // most recently used first
  std::vector<std::unique_ptr<Buffers>> idle_;
};

}  // namespace oag
