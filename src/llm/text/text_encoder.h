#pragma once

#include <string_view>
#include <vector>

#include "llm/text/vocabulary.h"

namespace oag {

// Cuts a stretch of text without special tokens into token ids. Immutable, so many threads may use one
// encoder.
class TextEncoder {
 public:
  virtual ~TextEncoder() = default;

  // Appends the ids of `text`, which may hold any bytes and is at most kMaxTextBytes long; `at_start` when no
  // special token stands before it. O(n log n).
  virtual void encode(std::string_view text, bool at_start, std::vector<TokenId>& ids) const = 0;
};

}  // namespace oag
