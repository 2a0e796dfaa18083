#pragma once

#include <cstdint>
#include <span>

#include "engine/device/device.h"
#include "engine/session/program.h"
#include "llm/models/text_config.h"

namespace oag::cli {

// The least that any engine has to do for some steps of a language model.
struct StepWork {
  double read_bytes = 0;  // weights once a step, keys and values of each sequence's context once
  double f32_ops = 0;     // two per multiply-add; attention and products with weights stored as floats
  double int8_ops = 0;    // products with weights stored in blocks

  StepWork& operator+=(const StepWork& other);
};

// New tokens of one sequence in a step.
struct SequenceWork {
  int64_t new_tokens = 0;
  int64_t cached_tokens = 0;  // before the step
  int64_t logits = 0;         // of how many new tokens they are wanted
};

StepWork step_work(const Program& program, const TextConfig& config, DType cache_dtype,
                   std::span<const SequenceWork> sequences);

// The parts of the machine's bandwidth and arithmetic that doing `work` in `seconds` used, 1 for all of it.
double bandwidth_share(const StepWork& work, double seconds, const MachineLimits& limits);
double compute_share(const StepWork& work, double seconds, const MachineLimits& limits);

}  // namespace oag::cli
