#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "llm/generate/generation.h"

namespace oag {

// Tells when an answer goes round in circles, as RepetitionLimit says; never without one. A token costs a
// comparison for each length of pattern.
class RepetitionDetector {
 public:
  explicit RepetitionDetector(const std::optional<RepetitionLimit>& limit);

  // Takes the next token; true when the limit is reached with it.
  bool push(TokenId id);

 private:
  std::optional<RepetitionLimit> limit_;
  std::vector<TokenId> recent_;  // the last tokens, as far as the longest pattern needs them
  // For each length p of a pattern: how many tokens at the end equal the one that stands p before them.
  std::vector<int64_t> runs_;
};

}  // namespace oag
