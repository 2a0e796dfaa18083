#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "llm/text/tokenizer.h"

namespace oag {

// How the next token is picked. Applied in this order: penalties, temperature, min-p, top-k, top-p, draw.
struct SamplingOptions {
  float temperature = 0.7f;  // 0: greedy, the most likely token
  int top_k = 40;            // keep the k most likely; 0: all
  float top_p = 0.95f;       // keep the most likely that together have this probability; 1: all
  float min_p = 0.05f;       // keep those at least this fraction of the most likely one's probability; 0: all
  float repeat_penalty =
      1.0f;  // logits of tokens in prompt or answer are divided (or multiplied) by it; 1: off
  float frequency_penalty = 0.0f;  // subtracted from a logit for each time the answer has the token
  float presence_penalty = 0.0f;   // subtracted once when the answer has the token
  uint64_t seed = 0;

  // Errors: kInvalidArgument naming the option, its range and what was given.
  void validate() const;
};

// Picks tokens for one answer. The same options, prompt and logits give the same tokens.
class Sampler {
 public:
  Sampler(const SamplingOptions& options, std::span<const TokenId> prompt);

  // The next token, given logits [vocab]. It counts as part of the answer from then on. Ids from
  // `usable_tokens` up, which exist only to pad the embedding, are never picked, and NaN counts as -inf.
  // Errors: kCorruptData when no logit is above -inf.
  TokenId pick(std::span<const float> logits, int64_t usable_tokens);

 private:
  struct Candidate {
    float logit;
    TokenId id;
  };

  void penalize();
  TokenId draw();
  void keep_top_p();
  double uniform();

  SamplingOptions options_;
  uint64_t random_state_;
  std::unordered_map<TokenId, int> answer_counts_;
  std::unordered_map<TokenId, int>
      seen_counts_;                    // prompt and answer; filled only when the repeat penalty needs it
  std::vector<Candidate> candidates_;  // reused between tokens
};

}  // namespace oag
