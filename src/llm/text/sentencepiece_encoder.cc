#include "llm/text/sentencepiece_encoder.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace oag {

size_t announced_size_bytes(char lead) {
  const auto byte = static_cast<uint8_t>(lead);
  return byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

std::array<TokenId, 256> find_byte_tokens(const Vocabulary& vocabulary) {
  std::array<TokenId, 256> token_of_byte;
  token_of_byte.fill(-1);
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    if (vocabulary.type(id) != TokenType::kByte) continue;
    const int byte = byte_of_token(vocabulary.tokens[i]);
    if (byte >= 0) token_of_byte[static_cast<size_t>(byte)] = id;
  }
  return token_of_byte;
}

struct SentencePieceEncoder::Workspace {
  struct Symbol {
    uint32_t begin;
    uint32_t size_bytes;  // 0 once joined to a symbol on the left
    int32_t previous;
    int32_t next;
  };
  struct Candidate {
    float score;
    int32_t left;
    uint32_t size_bytes;  // of the join; differs from what stands there now once a part was merged elsewhere
    bool operator<(const Candidate& other) const {
      return score < other.score || (score == other.score && left > other.left);
    }
  };
  std::string_view text;
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
};

SentencePieceEncoder::SentencePieceEncoder(const Vocabulary& vocabulary, const TokenIndex& index,
                                           bool add_space_prefix)
    : vocabulary_(vocabulary),
      index_(index),
      add_space_prefix_(add_space_prefix),
      token_of_byte_(find_byte_tokens(vocabulary)) {}

void SentencePieceEncoder::encode(std::string_view text, bool, std::vector<TokenId>& ids) const {
  if (text.empty()) return;
  std::string marked;
  marked.reserve(text.size() + text.size() / 4 + kSpaceMark.size());
  if (add_space_prefix_) marked += kSpaceMark;
  for (const char c : text) {
    if (c == ' ') {
      marked += kSpaceMark;
    } else {
      marked += c;
    }
  }

  Workspace workspace{.text = marked, .symbols = {}, .heap = {}};
  auto& symbols = workspace.symbols;
  for (size_t at = 0; at < marked.size();) {
    const size_t size = std::min(announced_size_bytes(marked[at]), marked.size() - at);
    const auto i = static_cast<int32_t>(symbols.size());
    symbols.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(size), i - 1, i + 1});
    at += size;
  }
  symbols.back().next = -1;
  for (size_t i = 0; i < symbols.size(); ++i) offer_merge(workspace, static_cast<int32_t>(i));

  while (!workspace.heap.empty()) {
    const Workspace::Candidate best = workspace.heap.front();
    std::pop_heap(workspace.heap.begin(), workspace.heap.end());
    workspace.heap.pop_back();
    Workspace::Symbol& left = symbols[static_cast<size_t>(best.left)];
    if (left.size_bytes == 0 || left.next < 0) continue;
    Workspace::Symbol& right = symbols[static_cast<size_t>(left.next)];
    if (left.size_bytes + right.size_bytes != best.size_bytes) continue;
    left.size_bytes += right.size_bytes;
    left.next = right.next;
    right.size_bytes = 0;
    if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = best.left;
    offer_merge(workspace, left.previous);
    offer_merge(workspace, best.left);
  }

  for (int32_t at = 0; at >= 0; at = symbols[static_cast<size_t>(at)].next) {
    const Workspace::Symbol& symbol = symbols[static_cast<size_t>(at)];
    const std::string_view piece = workspace.text.substr(symbol.begin, symbol.size_bytes);
    const TokenId id = find_text_token(piece);
    if (id >= 0) {
      ids.push_back(id);
    } else {
      emit_bytes(piece, ids);
    }
  }
}

TokenId SentencePieceEncoder::find_text_token(std::string_view text) const {
  const TokenId id = index_.find(text);
  return id >= 0 && is_text_type(vocabulary_.type(id)) ? id : -1;
}

void SentencePieceEncoder::offer_merge(Workspace& workspace, int32_t left) const {
  if (left < 0) return;
  const Workspace::Symbol& symbol = workspace.symbols[static_cast<size_t>(left)];
  if (symbol.next < 0) return;
  const uint32_t size = symbol.size_bytes + workspace.symbols[static_cast<size_t>(symbol.next)].size_bytes;
  const TokenId id = find_text_token(workspace.text.substr(symbol.begin, size));
  if (id < 0) return;
  workspace.heap.push_back({vocabulary_.scores[static_cast<size_t>(id)], left, size});
  std::push_heap(workspace.heap.begin(), workspace.heap.end());
}

void SentencePieceEncoder::emit_bytes(std::string_view text, std::vector<TokenId>& ids) const {
  const auto token_of = [&](char c) { return token_of_byte_[static_cast<uint8_t>(c)]; };
  if (std::all_of(text.begin(), text.end(), [&](char c) { return token_of(c) >= 0; })) {
    for (const char c : text) ids.push_back(token_of(c));
  } else if (vocabulary_.unknown) {
    ids.push_back(*vocabulary_.unknown);
  }
}

int byte_of_token(std::string_view token_text) {
  if (token_text.size() != 6 || !token_text.starts_with("<0x") || token_text.back() != '>') return -1;
  int byte = -1;
  const char* digits_end = token_text.data() + 5;
  const auto [end, error] = std::from_chars(token_text.data() + 3, digits_end, byte, 16);
  return error == std::errc() && end == digits_end && byte >= 0 ? byte : -1;
}

}  // namespace oag
