#include "llm/text/character_encoder.h"

#include <algorithm>
#include <string>

#include "llm/text/bpe_merger.h"
#include "llm/text/sentencepiece_encoder.h"

namespace oag {

CharacterEncoder::CharacterEncoder(const Vocabulary& vocabulary, const TokenIndex& index,
                                   bool add_space_prefix)
    : vocabulary_(vocabulary),
      add_space_prefix_(add_space_prefix),
      merges_(vocabulary, index),
      token_of_byte_(find_byte_tokens(vocabulary)) {}

std::string CharacterEncoder::marked(std::string_view text, bool at_start) const {
  const bool has_one = text.starts_with(' ') || text.starts_with(kSpaceMark);
  const bool prefix = add_space_prefix_ && (at_start || !vocabulary_.space_prefix_at_start) &&
                      !(has_one && vocabulary_.space_prefix_once);
  std::string out;
  out.reserve(text.size() + text.size() / 4 + kSpaceMark.size());
  if (prefix) out += kSpaceMark;
  for (const char c : text) {
    if (c == ' ') {
      out += kSpaceMark;
    } else {
      out += c;
    }
  }
  return out;
}

void CharacterEncoder::encode(std::string_view text, bool at_start, std::vector<TokenId>& ids) const {
  if (text.empty()) return;
  const std::string source = marked(text, at_start);
  std::vector<SymbolId> symbols;
  const TokenId unknown = vocabulary_.unknown.value_or(-1);
  for (size_t at = 0; at < source.size();) {
    const size_t size = std::min(announced_size_bytes(source[at]), source.size() - at);
    const std::string_view character = std::string_view(source).substr(at, size);
    const auto byte_token = [&](char c) { return token_of_byte_[static_cast<uint8_t>(c)]; };
    at += size;
    if (const SymbolId symbol = merges_.find_symbol(character); symbol >= 0) {
      symbols.push_back(symbol);
    } else if (std::ranges::all_of(character, [&](char c) { return byte_token(c) >= 0; })) {
      for (const char c : character) symbols.push_back(byte_token(c));
    } else if (unknown >= 0 && (symbols.empty() || symbols.back() != unknown)) {
      symbols.push_back(unknown);
    }
  }
  if (symbols.empty()) return;
  BpeMerger merger;
  merger.start(symbols.size());
  for (size_t i = 0; i < symbols.size(); ++i) merger.set(i, symbols[i]);
  merger.merge(merges_);
  const auto token_count = static_cast<SymbolId>(vocabulary_.tokens.size());
  for (int32_t at = 0; at >= 0; at = merger.symbol(static_cast<size_t>(at)).next) {
    const SymbolId symbol = merger.symbol(static_cast<size_t>(at)).id;
    // Text that merges use but that is no token has no id to give.
    if (symbol >= 0 && symbol < token_count) {
      ids.push_back(symbol);
    } else if (unknown >= 0) {
      ids.push_back(unknown);
    }
  }
}

}  // namespace oag
