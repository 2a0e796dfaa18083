#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/ops/ranking.h"
#include "llm/generate/generation.h"

namespace oag {

// Computes what TokenLogprobs says: log softmax of logits, within 1e-5.
class ModelLogprobs {
 public:
  // Of token `id` and the `top` best, of equal ones the lower id first. Valid until the next call. Some logit
  // is above -inf; NaN counts as -inf, and as is a token past the end.
  const TokenLogprobs& compute(std::span<const float> logits, TokenId id, int64_t top);

 private:
  // Reused between tokens.
  std::vector<Ranked> ranked_;
  std::vector<TokenCandidate> top_;
  TokenLogprobs logprobs_{};
};

}  // namespace oag
