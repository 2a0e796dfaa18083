#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "llm/text/token_index.h"
#include "llm/text/vocabulary.h"

namespace oag {

// A symbol of byte-level BPE: a token id, or a number from the vocabulary's size up for a text that merges
// use but that is no token.
using SymbolId = int32_t;

// The merges of a vocabulary as (left symbol, right symbol) -> rank and result. Of equal merges the first
// counts.
class MergeTable {
 public:
  MergeTable(const Vocabulary& vocabulary, const TokenIndex& index);

  struct Merge {
    uint32_t rank;  // lower is merged earlier
    SymbolId result;
  };

  // The merge of two neighbours, or null.
  const Merge* find(SymbolId left, SymbolId right) const;

  // The symbol of a text in the byte alphabet; -1 when it is neither a token nor part of a merge.
  SymbolId find_symbol(std::string_view text) const;

 private:
  struct Slot {
    uint64_t key = kEmpty;
    Merge merge{};
  };
  static constexpr uint64_t kEmpty = ~uint64_t{0};

  size_t first_slot(uint64_t key) const { return (key * multiplier_) >> shift_; }
  SymbolId find_symbol(std::string_view text, uint32_t hash) const;
  void add_block(size_t begin, size_t end);
  SymbolId find_or_add_symbol(std::string_view text, uint32_t hash);
  SymbolId find_or_add_result(std::string_view text, SymbolId previous);

  const Vocabulary& vocabulary_;
  const TokenIndex& index_;
  uint64_t multiplier_;  // random and odd, so that no file can choose merges that collide
  std::unordered_map<std::string, SymbolId> texts_of_no_token_;
  std::vector<Slot> slots_;  // a power of two, at most half full
  int shift_ = 0;
};

}  // namespace oag
