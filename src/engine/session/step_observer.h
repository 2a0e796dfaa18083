#pragma once

#include <cstddef>

#include "base/clock.h"
#include "engine/ops/kernel.h"

namespace oag {

// Is told of every step of the runs that name it in their RunBindings: for measuring. A run without one asks
// no clock.
class StepObserver {
 public:
  virtual ~StepObserver() = default;

  // Step `step` of the program was submitted at `begin` and the stream had taken it at `end`, which on a
  // device that computes inline is when it was done. Called on the run's thread; views, which compute
  // nothing, are not told. `context` is valid during the call.
  virtual void on_step(size_t step, const KernelContext& context, TimePoint begin, TimePoint end) = 0;
};

}  // namespace oag
