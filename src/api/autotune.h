#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "api/tuning_cache.h"
#include "base/run_control.h"
#include "llm/generate/autotune.h"

namespace oag {

// What a choice is made for.
struct TuningRequest {
  std::string device;               // as Runtime takes it, without a version; "": the processor
  int threads = 0;                  // 0: any number
  DType cache_dtype = DType::kF16;  // storage of the attention cache: f32, f16 or q8_0
};

struct Tuning {
  TuningCandidate choice;
  std::vector<TuningSample> measured;  // empty when the choice was in the cache, or left nothing to measure
  bool from_cache = false;

  std::string device() const { return "cpu:" + choice.variant; }
};

// The fastest way to run the model of `bundle` on this processor. A variant in the device, or named by
// OAG_CPU_ISA, and threads above 0 are kept as they are; nothing is measured when both are given. What was
// chosen before for this processor (identity, instruction sets, number of processors), version, model and
// storage of the attention cache is taken from `cache`. The length of the context is no part of it: what is
// measured is a short one (measure_candidate). Errors: kUnsupported for another device than the processor, a
// version, or a processor with no instruction set to use; those of measure_candidate.
Tuning autotune(const ModelBundle& bundle, const TuningRequest& request, const TuningCache& cache,
                const RunControl& control);

}  // namespace oag
