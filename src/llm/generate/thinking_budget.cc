#include "llm/generate/thinking_budget.h"

#include <algorithm>

namespace oag {

ThinkingBudget::ThinkingBudget(std::optional<ThinkingLimit> limit, std::shared_ptr<const Tokenizer> tokenizer)
    : limit_(std::move(limit)), tokenizer_(std::move(tokenizer)) {
  if (limit_ && limit_->forced.empty()) limit_.reset();
  if (!limit_) return;
  thinks_ = limit_->begin.empty();
  longest_mark_ = limit_->begin.size();
  for (const std::string& end : limit_->ends) longest_mark_ = std::max(longest_mark_, end.size());
}

std::optional<TokenId> ThinkingBudget::forced() const {
  if (!limit_ || !thinks_ || taken_ < limit_->tokens) return {};
  return limit_->forced[put_in_];
}

void ThinkingBudget::push(TokenId id) {
  if (!limit_) return;
  if (!thinks_) {
    thinks_ = has_begun(id);
    return;
  }
  if (taken_ >= limit_->tokens) {
    ++put_in_;
  } else {
    ++taken_;
  }
  if (put_in_ == limit_->forced.size() || (put_in_ == 0 && has_ended(id))) limit_.reset();
}

bool ThinkingBudget::has_begun(TokenId id) {
  tail_ += tokenizer_->token_bytes(id, true);
  const size_t at = tail_.find(limit_->begin);
  // What stands behind the mark in its token is thought already.
  if (at != std::string::npos)
    tail_.erase(0, at + limit_->begin.size());
  else
    shorten_tail();
  return at != std::string::npos;
}

void ThinkingBudget::shorten_tail() {
  if (tail_.size() >= longest_mark_) tail_.erase(0, tail_.size() - longest_mark_ + 1);
}

// Whether one of the ends stands at the end of the text, which `id` continues, or in what `id` adds.
bool ThinkingBudget::has_ended(TokenId id) {
  tail_ += tokenizer_->token_bytes(id, true);
  const auto is_written = [&](const std::string& end) { return tail_.find(end) != std::string::npos; };
  if (std::any_of(limit_->ends.begin(), limit_->ends.end(), is_written)) return true;
  shorten_tail();
  return false;
}

}  // namespace oag
