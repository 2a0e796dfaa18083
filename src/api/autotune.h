#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "api/tuning_cache.h"
#include "base/run_control.h"
#include "llm/generate/autotune.h"

namespace oag {

struct Tuning {
  TuningCandidate choice;
  std::vector<TuningSample> measured;  // empty when the choice was in the cache, or left nothing to measure
  bool from_cache = false;

  std::string device() const { return "cpu:" + choice.variant; }
};

// The fastest way to run the model of `bundle` on this processor. A variant in `device`, or named by
// OAG_CPU_ISA, and `threads` above 0 are kept as they are; nothing is measured when both are given. What was
// chosen before for this processor (identity, instruction sets, number of processors), version and model is
// taken from the cache. Errors: kUnsupported for another device than the processor; those of
// measure_candidate.
Tuning autotune(const ModelBundle& bundle, const std::string& device, int threads, const TuningCache& cache,
                const RunControl& control);

}  // namespace oag
