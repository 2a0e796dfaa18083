#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "llm/bundle/bundle.h"
#include "llm/generate/model_runner.h"

namespace oag::test {

// One answer that a ModelProbe makes.
struct Lane {
  std::vector<TokenId> prompt;
  int64_t answer_tokens = 8;
  std::vector<TokenId> forced;  // the answer, where it is dictated; empty: greedy
  int64_t chunk = INT64_MAX;    // most prompt tokens in one step
  int64_t starts_at_step = 0;
  bool wants_prompt_logits = false;
  // Called with the logits [vocab] that follow each prompt position (only if wanted; the last one always) and
  // each answer token but the last. `position` is that of the token they follow; the first answer token has
  // the position prompt.size().
  std::function<void(int64_t position, std::span<const float> logits)> on_logits;

  std::vector<TokenId> greedy;  // result: the most likely token at each answer position
};

struct ProbeOptions {
  DType cache_dtype = DType::kF32;
  int threads = 2;
  int64_t lanes = 1;
  int64_t context_tokens = 256;
};

// A model driven step by step, so that tests choose how tokens are cut into steps and batches.
class ModelProbe {
 public:
  ModelProbe(const ModelBundle& bundle, const ProbeOptions& options);

  // Runs all lanes in one ragged batch, to their ends.
  void run(std::span<Lane> lanes);
  void run(Lane& lane) { run(std::span(&lane, 1)); }

 private:
  ModelRunner runner_;
  int64_t pages_per_lane_;
};

// The index of the largest value, the first of equals.
TokenId most_likely(std::span<const float> logits);

// The largest absolute difference; infinity where one is NaN. Sizes must agree.
double largest_difference(std::span<const float> a, std::span<const float> b);

}  // namespace oag::test
