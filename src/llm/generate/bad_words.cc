#include "llm/generate/bad_words.h"

#include <algorithm>
#include <limits>

namespace oag {
namespace {

void set_barred(std::span<float> logits, TokenId id) {
  if (static_cast<size_t>(id) < logits.size())
    logits[static_cast<size_t>(id)] = -std::numeric_limits<float>::infinity();
}

}  // namespace

BadWords::BadWords(std::vector<std::vector<TokenId>> words, std::span<const TokenId> text)
    : words_(std::move(words)) {
  for (size_t i = 0; i < words_.size(); ++i) {
    const std::vector<TokenId>& word = words_[i];
    longest_ = std::max(longest_, word.size());
    if (word.size() == 1) {
      singles_.push_back(word.front());
    } else {
      by_previous_[word[word.size() - 2]].push_back(i);
    }
  }
  const std::span<const TokenId> tail = text.last(std::min(text.size(), longest_));
  recent_.assign(tail.begin(), tail.end());
}

void BadWords::push(TokenId id) {
  if (by_previous_.empty()) return;
  if (recent_.size() >= 2 * longest_)
    recent_.erase(recent_.begin(), recent_.end() - static_cast<std::ptrdiff_t>(longest_));
  recent_.push_back(id);
}

bool BadWords::is_begun(std::span<const TokenId> word) const {
  const std::span<const TokenId> begin = word.first(word.size() - 1);
  return begin.size() <= recent_.size() && std::equal(begin.rbegin(), begin.rend(), recent_.rbegin());
}

void BadWords::bar(std::span<float> logits) const {
  for (const TokenId id : singles_) set_barred(logits, id);
  if (recent_.empty()) return;
  const auto found = by_previous_.find(recent_.back());
  if (found == by_previous_.end()) return;
  for (const size_t i : found->second) {
    if (is_begun(words_[i])) set_barred(logits, words_[i].back());
  }
}

}  // namespace oag
