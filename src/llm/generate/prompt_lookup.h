#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "llm/text/tokenizer.h"

namespace oag {

// Drafts of speculative decoding by prompt lookup (Saxena 2023): what followed the last tokens of a sequence
// where they stood earlier in it. Drafts cost no model, and pay where an answer copies: code, quotations,
// JSON.
class PromptLookup {
 public:
  static constexpr int64_t kMost = 16;  // tokens of a draft

  // `most` in [0, kMost]; 0 never drafts.
  explicit PromptLookup(int64_t most) : most_(most), next_(most) {}

  // At most `room` tokens that may come after `tokens`; often none.
  std::vector<TokenId> draft(std::span<const TokenId> tokens, int64_t room);

  // Says how many tokens of a draft were right. The next drafts are longer, or shorter; drafts that are wrong
  // from their first token on come ever more seldom.
  void judge(int64_t drafted, int64_t right);

 private:
  int64_t most_;
  int64_t next_;       // tokens of the next draft
  int64_t pause_ = 0;  // drafts left out after the last wrong one
  int64_t left_ = 0;   // of them, still to be left out
};

}  // namespace oag
