#pragma once

#include <string_view>
#include <vector>

#include "llm/text/text_encoder.h"
#include "llm/text/token_index.h"
#include "llm/text/vocabulary.h"

namespace oag {

// WordPiece: each word is cut from its front into the longest pieces that are tokens; pieces after the first
// carry a prefix. A word that cannot be cut is the unknown token.
class WordPieceEncoder final : public TextEncoder {
 public:
  // The vocabulary, whose `bert` and `unknown` are set, and the index outlive the encoder.
  WordPieceEncoder(const Vocabulary& vocabulary, const TokenIndex& index)
      : vocabulary_(vocabulary), index_(index) {}

  // O(n) for the limits that BertText and kMaxTokenBytes set.
  void encode(std::string_view text, bool at_start, std::vector<TokenId>& ids) const override;

 private:
  void encode_word(std::string_view word, std::vector<TokenId>& ids) const;

  const Vocabulary& vocabulary_;
  const TokenIndex& index_;
};

}  // namespace oag
