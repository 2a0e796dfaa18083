#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/ops/ranking.h"
#include "llm/generate/bad_words.h"
#include "llm/text/tokenizer.h"

namespace oag {

// How the next token is picked. Applied in this order: bias, penalties, masks (`allowed`, a constraint's,
// bad words, end tokens that come too early), temperature, min-p, top-k, top-p, draw.
struct SamplingOptions {
  float temperature = 0.7f;  // 0: greedy, the most likely token
  int top_k = 40;            // keep the k most likely; 0: all
  float top_p = 0.95f;       // keep the most likely that together have this probability; 1: all
  float min_p = 0.05f;       // keep those at least this fraction of the most likely one's probability; 0: all
  float repeat_penalty =
      1.0f;  // logits of tokens in prompt or answer are divided (or multiplied) by it; 1: off
  float frequency_penalty = 0.0f;  // subtracted from a logit for each time the answer has the token
  float presence_penalty = 0.0f;   // subtracted once when the answer has the token
  std::vector<std::pair<TokenId, float>> logit_bias = {};  // added to logits; several for a token add up
  std::vector<TokenId> allowed = {};                       // only these; empty: all
  // Sequences that the answer never completes; the prompt's end may be their beginning.
  std::vector<std::vector<TokenId>> bad_words = {};
  uint64_t seed = 0;

  // Errors: kInvalidArgument naming the option, its range and what was given.
  void validate() const;
  // The same for the ids, which are those of a vocabulary of `tokens`.
  void validate_ids(int64_t tokens) const;
};

// Which of the next tokens' logits are wanted: the `count` largest, as far as they are no more than `margin`
// below the largest.
struct RankRequest {
  int32_t count = 0;  // 0: all logits
  float margin = std::numeric_limits<float>::infinity();
};

// What bars tokens from one pick, beside the options.
struct PickLimits {
  // Bit i % 32 of word i / 32 allows token i; tokens past its end are not allowed. Empty: all are.
  std::span<const uint32_t> mask = {};
  std::span<const TokenId> barred = {};
};

// Picks tokens for one answer. The same options, prompt and logits give the same tokens.
class Sampler {
 public:
  Sampler(const SamplingOptions& options, std::span<const TokenId> prompt);

  // The next token, given logits [vocab]. It counts as part of the answer from then on. Ids from
  // `usable_tokens` up, which exist only to pad the embedding, are never picked, and NaN counts as -inf.
  // Errors: kCorruptData when no logit is above -inf, kInvalidArgument when limits and options bar all that
  // are.
  TokenId pick(std::span<const float> logits, int64_t usable_tokens, const PickLimits& limits = {});

  // Counts a token as part of the answer that was not picked.
  void count(TokenId id);

  // What is enough for pick_ranked() without limits: at most `most` tokens. A count of 0 says that it takes
  // all logits.
  RankRequest request(int64_t most) const;
  // The token that pick() gives, from what request() asked for: logits, and ids that end where one is
  // negative. Errors: kCorruptData when there is none.
  TokenId pick_ranked(std::span<const float> logits, std::span<const TokenId> ids);

 private:
  bool penalizes() const;
  bool changes_logits() const;
  void change(std::span<const float> logits, const PickLimits& limits);
  void penalize();
  TokenId counted(TokenId picked);
  void keep_top_k(std::span<const float> logits);
  void keep_min_p(float most);
  void keep_top_p();
  TokenId draw();
  double uniform();

  SamplingOptions options_;
  uint64_t random_state_;
  std::unordered_map<TokenId, int> answer_counts_;
  // Of prompt and answer; filled only when the repeat penalty needs it.
  std::unordered_map<TokenId, int> seen_counts_;
  std::vector<uint32_t> allowed_;  // a mask; empty: all
  BadWords bad_words_;
  // Reused between tokens.
  std::vector<uint32_t> mask_;
  std::vector<float> changed_;      // logits
  std::vector<Ranked> candidates_;  // best first, where top-k or top-p are wanted; else by id
  std::vector<float> weights_;      // of the candidates
};

}  // namespace oag
