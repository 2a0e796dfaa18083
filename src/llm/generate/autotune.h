#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/run_control.h"
#include "engine/device/device.h"
#include "llm/bundle/bundle.h"

namespace oag {

// One way of running a model on the processor.
struct TuningCandidate {
  std::string variant;  // instruction set: "avx512"
  int threads = 1;

  bool operator==(const TuningCandidate&) const = default;
};

struct TuningSample {
  TuningCandidate candidate;
  double prefill_tokens_per_s = 0, decode_tokens_per_s = 0;

  // A prompt of 256 tokens and an answer of 64, which is what candidates are compared by.
  double request_ms() const;
};

// What may be chosen from, each list with the untuned choice first. A list of one is a choice made already.
struct TuningSpace {
  std::vector<std::string> variants;
  std::vector<int> threads;
};

// Every number of threads that is worth a try with `processors`: all, half, a quarter and so on down to 1.
std::vector<int> thread_counts(int processors);

using MeasureCandidate = std::function<TuningSample(const TuningCandidate&)>;

// Measures the two first variants with the first number of threads, then the other numbers with the better
// of them. The untuned choice comes first.
std::vector<TuningSample> explore(const TuningSpace& space, const MeasureCandidate& measure);

// The sample to choose: the fastest, but the first one where no other is 3 % faster, for less is noise.
size_t fastest(std::span<const TuningSample> samples);

// Compiles the model for a candidate, with the attention cache in `cache_dtype`, and times it: reading 128
// tokens, the better of two, and the median of 24 tokens made after them; less of both where the model's
// context or attention window is shorter. Errors: those of ModelRunner; kUnsupported for a context or window
// of 1 token; kCancelled.
TuningSample measure_candidate(const ModelBundle& bundle, std::span<const Backend* const> backends,
                               const TuningCandidate& candidate, DType cache_dtype,
                               const RunControl& control);

}  // namespace oag
