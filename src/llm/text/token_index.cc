#include "llm/text/token_index.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <random>

namespace oag {
namespace {

int strength(TokenType type) {
  return (type == TokenType::kNormal) + is_text_type(type);
}

}  // namespace

// Eight bytes a step, multiply and fold; only the spread matters here.
uint32_t TokenIndex::hash(std::string_view text) const {
  constexpr uint64_t kMultiplier = 0x9E3779B97F4A7C15u;
  uint64_t state = seed_ ^ text.size() * kMultiplier;
  const auto mix = [&](uint64_t word) {
    state = (state ^ word) * kMultiplier;
    state ^= state >> 32;
  };
  while (text.size() >= 8) {
    uint64_t word;
    std::memcpy(&word, text.data(), 8);
    mix(word);
    text.remove_prefix(8);
  }
  uint64_t tail = 0;
  if (!text.empty()) std::memcpy(&tail, text.data(), text.size());
  mix(tail);
  return static_cast<uint32_t>(state ^ state >> 29);
}

TokenIndex::TokenIndex(const Vocabulary& vocabulary)
    : vocabulary_(vocabulary), seed_(uint64_t{std::random_device()()} << 32 | std::random_device()()) {
  slots_.resize(std::bit_ceil(vocabulary.tokens.size() * 2 + 1));
  const size_t mask = slots_.size() - 1;
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const std::string& text = vocabulary.tokens[i];
    const auto id = static_cast<TokenId>(i);
    const uint32_t hash_of_text = hash(text);
    size_t at = hash_of_text & mask;
    while (slots_[at].id >= 0 && (slots_[at].hash != hash_of_text ||
                                  vocabulary.tokens[static_cast<size_t>(slots_[at].id)] != text)) {
      at = (at + 1) & mask;
    }
    texts_are_unique_ = texts_are_unique_ && slots_[at].id < 0;
    const bool weaker =
        slots_[at].id >= 0 && strength(vocabulary.type(slots_[at].id)) > strength(vocabulary.type(id));
    if (!weaker) slots_[at] = {hash_of_text, id};
    longest_token_bytes_ = std::max(longest_token_bytes_, text.size());
  }
}

TokenId TokenIndex::find(std::string_view text, uint32_t hash) const {
  if (text.size() > longest_token_bytes_) return -1;
  const size_t mask = slots_.size() - 1;
  for (size_t at = hash & mask; slots_[at].id >= 0; at = (at + 1) & mask) {
    if (slots_[at].hash == hash && vocabulary_.tokens[static_cast<size_t>(slots_[at].id)] == text)
      return slots_[at].id;
  }
  return -1;
}

}  // namespace oag
