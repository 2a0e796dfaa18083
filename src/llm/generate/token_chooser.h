#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "llm/generate/generation.h"
#include "llm/generate/model_logprobs.h"
#include "llm/generate/repetition_detector.h"
#include "llm/generate/sampler.h"
#include "llm/generate/thinking_budget.h"
#include "llm/text/tokenizer.h"

namespace oag {

// Decides one answer's tokens, and where they end it, as its request asks for. Its state is that of the
// tokens taken, whatever becomes of the cache in between.
class TokenChooser {
 public:
  // Errors: kInvalidArgument naming what is out of range, for ids of a vocabulary of `tokens`.
  static void validate(const GenerationRequest& request, int64_t tokens);

  // `request` outlives this and has been validated.
  TokenChooser(const GenerationRequest& request, std::shared_ptr<const Tokenizer> tokenizer);

  // What the next pick wants to know of a step's logits. A count of 0: all, for pick(); else pick_ranked().
  RankRequest wanted(int64_t most) const;

  // Whether the next pick needs a mask that compute_mask() has not made yet. That may run on another thread,
  // beside the step. What a constraint throws comes out of the pick.
  bool needs_mask() const { return request_.constraint && !mask_ready_; }
  void compute_mask() noexcept;

  // The next token, from logits [vocab] of what stands before. It is to be taken, if it doesn't end the
  // answer. Errors: those of Sampler, those of the constraint.
  TokenId pick(std::span<const float> logits);
  TokenId pick_ranked(std::span<const float> logits, std::span<const TokenId> ids);
  // Of the last pick(), null if nobody asked for them.
  const TokenLogprobs* logprobs() const { return logprobs_; }

  // Whether this token ends the answer and is no part of it.
  bool ends(TokenId id) const;
  // The token is part of the answer now. Errors: kInvalidArgument where the constraint does not allow it.
  void take(TokenId id);

  // About the tokens taken: nothing but the end may follow; they go round in circles; stop texts may end
  // them.
  bool complete() const { return complete_; }
  bool repeats() const { return repeats_; }
  bool may_stop() const { return taken_ >= request_.min_tokens; }

 private:
  bool end_tokens_end() const { return !request_.ignore_end || request_.constraint != nullptr; }

  const GenerationRequest& request_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  Sampler sampler_;
  ThinkingBudget thinking_;
  RepetitionDetector repetition_;
  ModelLogprobs model_logprobs_;
  const TokenLogprobs* logprobs_ = nullptr;
  std::vector<TokenId> too_early_;  // what would end the answer before min_tokens
  int64_t taken_ = 0;
  bool repeats_ = false, complete_ = false;
  std::vector<uint32_t> mask_;  // of the constraint, for the next token
  bool mask_ready_ = false;
  std::exception_ptr mask_error_;
};

}  // namespace oag
