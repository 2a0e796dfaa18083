#include "llm/text/byte_level_encoder.h"

#include <algorithm>

#include "llm/text/byte_alphabet.h"
#include "llm/text/unicode.h"

namespace oag {

// Symbol i stands for the bytes of the piece from i up to the next symbol.
struct ByteLevelEncoder::Workspace {
  struct Symbol {
    SymbolId id;  // -2 once joined to a symbol on the left, -1 for a byte that is no token
    int32_t previous;
    int32_t next;
  };
  struct Candidate {
    uint64_t order;  // rank, then place: the smallest is merged next
    SymbolId left;
    SymbolId right;
    SymbolId result;
    bool operator<(const Candidate& other) const { return order > other.order; }
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
  std::string alphabet;
};

ByteLevelEncoder::ByteLevelEncoder(const Vocabulary& vocabulary, const TokenIndex& index,
                                   const Pretokenizer& pretokenizer)
    : vocabulary_(vocabulary), index_(index), pretokenizer_(pretokenizer), merges_(vocabulary, index) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    std::string letter;
    append_alphabet(letter, std::string_view(&c, 1));
    symbol_of_byte_[static_cast<size_t>(byte)] = merges_.find_symbol(letter);
  }
}

void ByteLevelEncoder::encode(std::string_view text, std::vector<TokenId>& ids) const {
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

void ByteLevelEncoder::offer_merge(Workspace& workspace, int32_t left, bool in_heap) const {
  if (left < 0) return;
  const Workspace::Symbol& symbol = workspace.symbols[static_cast<size_t>(left)];
  if (symbol.next < 0) return;
  const SymbolId right = workspace.symbols[static_cast<size_t>(symbol.next)].id;
  const MergeTable::Merge* merge = merges_.find(symbol.id, right);
  if (!merge) return;
  const uint64_t order = static_cast<uint64_t>(merge->rank) << 32 | static_cast<uint32_t>(left);
  workspace.heap.push_back({order, symbol.id, right, merge->result});
  if (in_heap) std::push_heap(workspace.heap.begin(), workspace.heap.end());
}

void ByteLevelEncoder::merge_piece(std::string_view piece, Workspace& workspace,
                                   std::vector<TokenId>& ids) const {
  auto& symbols = workspace.symbols;
  auto& heap = workspace.heap;
  const auto count = static_cast<int32_t>(piece.size());
  symbols.resize(piece.size());
  heap.clear();
  for (int32_t i = 0; i < count; ++i) {
    const auto byte = static_cast<uint8_t>(piece[static_cast<size_t>(i)]);
    symbols[static_cast<size_t>(i)] = {symbol_of_byte_[byte], i - 1, i + 1 < count ? i + 1 : -1};
  }
  for (int32_t i = 0; i + 1 < count; ++i) offer_merge(workspace, i, false);
  std::make_heap(heap.begin(), heap.end());

  while (!heap.empty()) {
    const Workspace::Candidate best = heap.front();
    std::pop_heap(heap.begin(), heap.end());
    heap.pop_back();
    const auto at = static_cast<int32_t>(static_cast<uint32_t>(best.order));
    Workspace::Symbol& left = symbols[static_cast<size_t>(at)];
    // An earlier merge may have changed either neighbour since this one was offered.
    if (left.id != best.left || left.next < 0) continue;
    Workspace::Symbol& right = symbols[static_cast<size_t>(left.next)];
    if (right.id != best.right) continue;
    left.id = best.result;
    left.next = right.next;
    right.id = -2;
    if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = at;
    offer_merge(workspace, left.previous, true);
    offer_merge(workspace, at, true);
  }
  emit(piece, workspace, ids);
}

void ByteLevelEncoder::emit(std::string_view piece, const Workspace& workspace,
                            std::vector<TokenId>& ids) const {
  const auto token_count = static_cast<SymbolId>(vocabulary_.tokens.size());
  for (int32_t at = 0; at >= 0 && !piece.empty();) {
    const Workspace::Symbol& symbol = workspace.symbols[static_cast<size_t>(at)];
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
