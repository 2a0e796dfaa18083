#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "llm/text/merge_table.h"
#include "llm/text/text_encoder.h"
#include "llm/text/token_index.h"
#include "llm/text/vocabulary.h"

namespace oag {

// BPE over characters by merge rank, as a tokenizer.json states the tokenizers of SentencePiece: spaces are
// written ▁, the text starts as its characters, a character that is no token as byte tokens, or where the
// vocabulary lacks one of them as the unknown token, once for a run of such characters.
//
// Characters are cut by the length that their first byte announces and are not checked: bytes that are not
// UTF-8 come out as their byte tokens.
class CharacterEncoder final : public TextEncoder {
 public:
  // With `add_space_prefix` a text gets a space in front, when the vocabulary's space_prefix_… allow. The
  // vocabulary and the index outlive the encoder.
  CharacterEncoder(const Vocabulary& vocabulary, const TokenIndex& index, bool add_space_prefix);

  void encode(std::string_view text, bool at_start, std::vector<TokenId>& ids) const override;

 private:
  std::string marked(std::string_view text, bool at_start) const;

  const Vocabulary& vocabulary_;
  bool add_space_prefix_;
  MergeTable merges_;
  std::array<TokenId, 256> token_of_byte_;
};

}  // namespace oag
