#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "llm/text/bpe_merger.h"
#include "llm/text/merge_table.h"
#include "llm/text/pretokenizer.h"
#include "llm/text/text_encoder.h"
#include "llm/text/token_index.h"
#include "llm/text/vocabulary.h"

namespace oag {

// Byte-level BPE (GPT-2): the pre-tokenizer cuts the text into pieces, a piece starts as its bytes, and the
// neighbours with the lowest merge rank are joined, leftmost first, until none has a merge.
//
// Bytes that form no UTF-8 sequence become U+FFFD, one each, before anything else (llama.cpp does the same).
// A byte that the vocabulary has no token for is left out; a merge result that is no token is given out as
// its bytes.
class ByteLevelEncoder final : public TextEncoder {
 public:
  // The vocabulary and the index outlive the encoder. What the vocabulary says of NFC and of merging goes
  // before what the pre-tokenizer implies.
  ByteLevelEncoder(const Vocabulary& vocabulary, const TokenIndex& index, const Pretokenizer& pretokenizer);

  void encode(std::string_view text, bool at_start, std::vector<TokenId>& ids) const override;

 private:
  struct Workspace;

  bool encode_whole(std::string_view piece, Workspace& workspace, std::vector<TokenId>& ids) const;
  void merge_piece(std::string_view piece, Workspace& workspace, std::vector<TokenId>& ids) const;
  void emit(std::string_view piece, const Workspace& workspace, std::vector<TokenId>& ids) const;

  const Vocabulary& vocabulary_;
  const TokenIndex& index_;
  Pretokenizer pretokenizer_;
  MergeTable merges_;
  std::array<SymbolId, 256> symbol_of_byte_;
};

}  // namespace oag
