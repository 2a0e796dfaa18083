#include "llm/text/byte_level_encoder.h"

#include "llm/text/byte_alphabet.h"
#include "llm/text/unicode.h"

namespace oag {

// Symbol i stands for the bytes of the piece from i up to the next symbol.
struct ByteLevelEncoder::Workspace {
  BpeMerger merger;
  std::string alphabet;
};

ByteLevelEncoder::ByteLevelEncoder(const Vocabulary& vocabulary, const TokenIndex& index,
                                   const Pretokenizer& pretokenizer)
    : vocabulary_(vocabulary), index_(index), pretokenizer_(pretokenizer), merges_(vocabulary, index) {
  pretokenizer_.normalizes_nfc = vocabulary.normalizes_nfc.value_or(pretokenizer.normalizes_nfc);
  pretokenizer_.ignore_merges = vocabulary.ignore_merges.value_or(pretokenizer.ignore_merges);
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    std::string letter;
    append_alphabet(letter, std::string_view(&c, 1));
    symbol_of_byte_[static_cast<size_t>(byte)] = merges_.find_symbol(letter);
  }
}

void ByteLevelEncoder::encode(std::string_view text, bool, std::vector<TokenId>& ids) const {
  std::string repaired;
  if (!is_valid_utf8(text)) {
    repaired = repair_utf8(text);
    text = repaired;
  }
  std::string normalized;
  if (pretokenizer_.normalizes_nfc) {
    normalized = normalize_nfc(text);
    text = normalized;
  }
  std::vector<std::string_view> pieces;
  pretokenizer_.split(text, pieces);
  Workspace workspace;
  for (const std::string_view piece : pieces) {
    if (pretokenizer_.ignore_merges && encode_whole(piece, workspace, ids)) continue;
    merge_piece(piece, workspace, ids);
  }
}

bool ByteLevelEncoder::encode_whole(std::string_view piece, Workspace& workspace,
                                    std::vector<TokenId>& ids) const {
  if (piece.size() > index_.longest_token_bytes()) return false;
  workspace.alphabet.clear();
  append_alphabet(workspace.alphabet, piece);
  const TokenId id = index_.find(workspace.alphabet);
  if (id < 0 || !is_text_type(vocabulary_.type(id))) return false;
  ids.push_back(id);
  return true;
}

void ByteLevelEncoder::merge_piece(std::string_view piece, Workspace& workspace,
                                   std::vector<TokenId>& ids) const {
  workspace.merger.start(piece.size());
  for (size_t i = 0; i < piece.size(); ++i)
    workspace.merger.set(i, symbol_of_byte_[static_cast<uint8_t>(piece[i])]);
  workspace.merger.merge(merges_);
  emit(piece, workspace, ids);
}

void ByteLevelEncoder::emit(std::string_view piece, const Workspace& workspace,
                            std::vector<TokenId>& ids) const {
  const auto token_count = static_cast<SymbolId>(vocabulary_.tokens.size());
  for (int32_t at = 0; at >= 0 && !piece.empty();) {
    const BpeMerger::Symbol& symbol = workspace.merger.symbol(static_cast<size_t>(at));
    if (symbol.id >= 0 && symbol.id < token_count) {
      ids.push_back(symbol.id);
    } else {
      const size_t end = symbol.next >= 0 ? static_cast<size_t>(symbol.next) : piece.size();
      for (size_t i = static_cast<size_t>(at); i < end; ++i) {
        const SymbolId byte = symbol_of_byte_[static_cast<uint8_t>(piece[i])];
        if (byte >= 0 && byte < token_count) ids.push_back(byte);
      }
    }
    at = symbol.next;
  }
}

}  // namespace oag
