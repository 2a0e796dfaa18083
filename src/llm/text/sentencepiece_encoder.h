#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "llm/text/text_encoder.h"
#include "llm/text/token_index.h"
#include "llm/text/vocabulary.h"

namespace oag {

// How SentencePiece writes a space: ▁, U+2581.
inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";

// BPE as SentencePiece does it and GGUF stores it ("llama"): spaces are written ▁, the text starts as its
// characters, and the neighbours whose join is the token with the highest score are joined, leftmost first. A
// character that is no token becomes byte tokens, or where the vocabulary has none the unknown token.
//
// Characters are cut by the length that their first byte announces and are not checked, as in llama.cpp:
// bytes that are not UTF-8 come out as their byte tokens.
class SentencePieceEncoder final : public TextEncoder {
 public:
  // With `add_space_prefix` every text gets a space in front. The vocabulary and the index outlive the
  // encoder.
  SentencePieceEncoder(const Vocabulary& vocabulary, const TokenIndex& index, bool add_space_prefix);

  void encode(std::string_view text, bool at_start, std::vector<TokenId>& ids) const override;

 private:
  struct Workspace;

  TokenId find_text_token(std::string_view text) const;
  void offer_merge(Workspace& workspace, int32_t left) const;
  void emit_bytes(std::string_view text, std::vector<TokenId>& ids) const;

  const Vocabulary& vocabulary_;
  const TokenIndex& index_;
  bool add_space_prefix_;
  std::array<TokenId, 256> token_of_byte_;
};

// The length that the first byte of a UTF-8 sequence announces, 1 for bytes that begin none.
size_t announced_size_bytes(char lead);

// The byte token of each byte, -1 where there is none.
std::array<TokenId, 256> find_byte_tokens(const Vocabulary& vocabulary);

// The byte that a byte token such as "<0x0A>" stands for, or -1.
int byte_of_token(std::string_view token_text);

}  // namespace oag
