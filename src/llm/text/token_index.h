#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "llm/text/vocabulary.h"

namespace oag {

// Text of a token -> id, for a vocabulary that outlives the index. Open addressing: 49k tokens are indexed in
// a few milliseconds. Where texts are equal, the later id wins, but a normal token (which may stand for a
// byte that looks like another's text) wins over a user-defined one, and either over one that text is not cut
// into.
class TokenIndex {
 public:
  explicit TokenIndex(const Vocabulary& vocabulary);

  // The id of the token with this text, or -1.
  TokenId find(std::string_view text) const { return find(text, hash(text)); }
  TokenId find(std::string_view text, uint32_t hash) const;

  uint32_t hash(std::string_view text) const;

  // Bring what find() will read into the cache: first the slot, some other work later the text. Looking up a
  // hundred thousand merges is bound by memory latency otherwise.
  void prefetch_slot(uint32_t hash) const { __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]); }
  void prefetch_text(uint32_t hash) const {
    const TokenId id = slots_[hash & (slots_.size() - 1)].id;
    if (id >= 0) __builtin_prefetch(&vocabulary_.tokens[static_cast<size_t>(id)]);
  }

  // No two tokens have the same text.
  bool texts_are_unique() const { return texts_are_unique_; }

  size_t longest_token_bytes() const { return longest_token_bytes_; }

 private:
  struct Slot {
    uint32_t hash = 0;
    TokenId id = -1;
  };

  const Vocabulary& vocabulary_;
  uint64_t seed_;            // random, so that no file can choose texts that collide
  std::vector<Slot> slots_;  // a power of two, at most half full
  size_t longest_token_bytes_ = 0;
  bool texts_are_unique_ = true;
};

// True for the types whose tokens ordinary text may be cut into.
inline bool is_text_type(TokenType type) {
  return type == TokenType::kNormal || type == TokenType::kUserDefined;
}

}  // namespace oag
