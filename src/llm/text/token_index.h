#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/text/vocabulary.h"

namespace oag {

// Text of a token -> id, for a vocabulary that outlives the index. Open addressing: 49k tokens are indexed in
// a few milliseconds. Where texts are equal, the later id wins, but a token that text can be cut into (normal
// or user defined) wins over one that it can't.
class TokenIndex {
 public:
  explicit TokenIndex(const Vocabulary& vocabulary);

  // The id of the token with this text, or -1.
  TokenId find(std::string_view text) const;

  size_t longest_token_bytes() const { return longest_token_bytes_; }

 private:
  struct Slot {
    uint32_t hash = 0;
    TokenId id = -1;
  };

  const Vocabulary& vocabulary_;
  std::vector<Slot> slots_;  // a power of two, at most half full
  size_t longest_token_bytes_ = 0;
};

// True for the types whose tokens ordinary text may be cut into.
inline bool is_text_type(TokenType type) {
  return type == TokenType::kNormal || type == TokenType::kUserDefined;
}

}  // namespace oag
