#include "llm/text/merge_table.h"

#include <algorithm>
#include <bit>
#include <random>

namespace oag {
namespace {

uint64_t key_of(SymbolId left, SymbolId right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

}  // namespace

MergeTable::MergeTable(const Vocabulary& vocabulary, const TokenIndex& index)
    : vocabulary_(vocabulary),
      index_(index),
      multiplier_(uint64_t{std::random_device()()} << 32 | std::random_device()() | 1) {
  constexpr size_t kBlock = 128;
  const size_t slot_count = std::bit_ceil(std::max<size_t>(vocabulary.merges.size() * 2, 4));
  slots_.resize(slot_count);
  shift_ = 64 - std::countr_zero(slot_count);
  for (size_t begin = 0; begin < vocabulary.merges.size(); begin += kBlock) {
    add_block(begin, std::min(begin + kBlock, vocabulary.merges.size()));
  }
}

// Every step touches memory that the step before asked for.
void MergeTable::add_block(size_t begin, size_t end) {
  struct Part {
    std::string_view text;
    uint32_t hash;
  };
  std::vector<Part> parts;
  for (size_t rank = begin; rank < end; ++rank) {
    const std::string_view merge = vocabulary_.merges[rank];
    const size_t space = merge.find(' ', 1);
    for (const std::string_view text : {merge.substr(0, space), merge.substr(space + 1)}) {
      parts.push_back({text, index_.hash(text)});
      index_.prefetch_slot(parts.back().hash);
    }
  }
  for (const Part& part : parts) index_.prefetch_text(part.hash);

  std::vector<uint64_t> keys;
  for (size_t i = 0; i < parts.size(); i += 2) {
    keys.push_back(key_of(find_or_add_symbol(parts[i].text, parts[i].hash),
                          find_or_add_symbol(parts[i + 1].text, parts[i + 1].hash)));
    __builtin_prefetch(&slots_[first_slot(keys.back())]);
  }
  std::string joined;
  SymbolId result = -1;
  for (size_t i = 0; i < keys.size(); ++i) {
    size_t at = first_slot(keys[i]);
    while (slots_[at].key != kEmpty && slots_[at].key != keys[i]) at = (at + 1) & (slots_.size() - 1);
    if (slots_[at].key == keys[i]) continue;
    joined.assign(parts[2 * i].text).append(parts[2 * i + 1].text);
    result = find_or_add_result(joined, result);
    slots_[at] = {keys[i], {static_cast<uint32_t>(begin + i), result}};
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
  return find_symbol(text, index_.hash(text));
}

SymbolId MergeTable::find_symbol(std::string_view text, uint32_t hash) const {
  const TokenId id = index_.find(text, hash);
  if (id >= 0 && is_text_type(vocabulary_.type(id))) return id;
  const auto found = texts_of_no_token_.find(std::string(text));
  return found == texts_of_no_token_.end() ? -1 : found->second;
}

SymbolId MergeTable::find_or_add_symbol(std::string_view text, uint32_t hash) {
  const SymbolId symbol = find_symbol(text, hash);
  if (symbol >= 0) return symbol;
  const auto next = static_cast<SymbolId>(vocabulary_.tokens.size() + texts_of_no_token_.size());
  texts_of_no_token_.emplace(text, next);
  return next;
}

// Trained vocabularies number tokens in the order of their merges: the token after the last result is a good
// guess. It must be the one that the index would give, so only vocabularies without equal texts may guess.
SymbolId MergeTable::find_or_add_result(std::string_view text, SymbolId previous) {
  const size_t guess = static_cast<size_t>(previous) + 1;
  if (previous >= 0 && guess < vocabulary_.tokens.size() && index_.texts_are_unique() &&
      vocabulary_.tokens[guess] == text && is_text_type(vocabulary_.type(static_cast<TokenId>(guess)))) {
    return static_cast<SymbolId>(guess);
  }
  return find_or_add_symbol(text, index_.hash(text));
}

}  // namespace oag
