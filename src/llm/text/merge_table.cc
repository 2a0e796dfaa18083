#include "llm/text/merge_table.h"

#include <algorithm>
#include <bit>

namespace oag {
namespace {

uint64_t key_of(SymbolId left, SymbolId right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

}  // namespace

MergeTable::MergeTable(const Vocabulary& vocabulary, const TokenIndex& index)
    : vocabulary_(vocabulary), index_(index) {
  const size_t slot_count = std::bit_ceil(std::max<size_t>(vocabulary.merges.size() * 2, 4));
  slots_.resize(slot_count);
  shift_ = 64 - std::countr_zero(slot_count);
  std::string joined;
  for (size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    const std::string_view merge = vocabulary.merges[rank];
    const size_t space = merge.find(' ', 1);
    const std::string_view left = merge.substr(0, space);
    const std::string_view right = merge.substr(space + 1);
    const uint64_t key = key_of(find_or_add_symbol(left), find_or_add_symbol(right));
    size_t at = first_slot(key);
    while (slots_[at].key != kEmpty && slots_[at].key != key) at = (at + 1) & (slot_count - 1);
    if (slots_[at].key == key) continue;
    joined.assign(left).append(right);
    slots_[at] = {key, {static_cast<uint32_t>(rank), find_or_add_symbol(joined)}};
  }
}

const MergeTable::Merge* MergeTable::find(SymbolId left, SymbolId right) const {
  const uint64_t key = key_of(left, right);
  for (size_t at = first_slot(key); slots_[at].key != kEmpty; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].key == key) return &slots_[at].merge;
  }
  return nullptr;
}

SymbolId MergeTable::find_symbol(std::string_view text) const {
  const TokenId id = index_.find(text);
  if (id >= 0 && is_text_type(vocabulary_.type(id))) return id;
  const auto found = texts_of_no_token_.find(std::string(text));
  return found == texts_of_no_token_.end() ? -1 : found->second;
}

SymbolId MergeTable::find_or_add_symbol(std::string_view text) {
  const SymbolId symbol = find_symbol(text);
  if (symbol >= 0) return symbol;
  const auto next = static_cast<SymbolId>(vocabulary_.tokens.size() + texts_of_no_token_.size());
  texts_of_no_token_.emplace(text, next);
  return next;
}

}  // namespace oag
