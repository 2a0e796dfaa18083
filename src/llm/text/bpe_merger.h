#pragma once

#include <cstdint>
#include <vector>

#include "llm/text/merge_table.h"

namespace oag {

// The symbols of one stretch of text and the order in which neighbours are joined: those with the lowest
// merge rank first, leftmost first of equals, until none has a merge. Reused from stretch to stretch.
class BpeMerger {
 public:
  struct Symbol {
    SymbolId id;  // kJoined once joined to a symbol on the left, -1 for what is no token
    int32_t previous;
    int32_t next;  // -1 at the end
  };
  static constexpr SymbolId kJoined = -2;

  // Starts a stretch of `count` symbols, which set() gives their ids.
  void start(size_t count);
  void set(size_t at, SymbolId id) { symbols_[at].id = id; }

  // Joins what the table joins. O(n log n).
  void merge(const MergeTable& table);

  // The first symbol is at 0 where there is any; next leads on.
  const Symbol& symbol(size_t at) const { return symbols_[at]; }
  size_t size() const { return symbols_.size(); }

 private:
  struct Candidate {
    uint64_t order;  // rank, then place: the smallest is merged next
    SymbolId left;
    SymbolId right;
    SymbolId result;
    bool operator<(const Candidate& other) const { return order > other.order; }
  };

  void offer(const MergeTable& table, int32_t left, bool in_heap);

  std::vector<Symbol> symbols_;
  std::vector<Candidate> heap_;
};

}  // namespace oag
