#include "llm/text/bpe_merger.h"

#include <algorithm>

namespace oag {

void BpeMerger::start(size_t count) {
  symbols_.resize(count);
  heap_.clear();
  const auto last = static_cast<int32_t>(count) - 1;
  for (int32_t i = 0; i <= last; ++i) symbols_[static_cast<size_t>(i)] = {-1, i - 1, i < last ? i + 1 : -1};
}

void BpeMerger::offer(const MergeTable& table, int32_t left, bool in_heap) {
  if (left < 0) return;
  const Symbol& symbol = symbols_[static_cast<size_t>(left)];
  if (symbol.next < 0) return;
  const SymbolId right = symbols_[static_cast<size_t>(symbol.next)].id;
  const MergeTable::Merge* merge = table.find(symbol.id, right);
  if (!merge) return;
  const uint64_t order = static_cast<uint64_t>(merge->rank) << 32 | static_cast<uint32_t>(left);
  heap_.push_back({order, symbol.id, right, merge->result});
  if (in_heap) std::push_heap(heap_.begin(), heap_.end());
}

void BpeMerger::merge(const MergeTable& table) {
  const auto count = static_cast<int32_t>(symbols_.size());
  for (int32_t i = 0; i + 1 < count; ++i) offer(table, i, false);
  std::make_heap(heap_.begin(), heap_.end());

  while (!heap_.empty()) {
    const Candidate best = heap_.front();
    std::pop_heap(heap_.begin(), heap_.end());
    heap_.pop_back();
    const auto at = static_cast<int32_t>(static_cast<uint32_t>(best.order));
    Symbol& left = symbols_[static_cast<size_t>(at)];
    // An earlier merge may have changed either neighbour since this one was offered.
    if (left.id != best.left || left.next < 0) continue;
    Symbol& right = symbols_[static_cast<size_t>(left.next)];
    if (right.id != best.right) continue;
    left.id = best.result;
    left.next = right.next;
    right.id = kJoined;
    if (left.next >= 0) symbols_[static_cast<size_t>(left.next)].previous = at;
    offer(table, left.previous, true);
    offer(table, at, true);
  }
}

}  // namespace oag
