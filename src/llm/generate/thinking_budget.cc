#include "llm/generate/thinking_budget.h"

#include <algorithm>

namespace oag {

ThinkingBudget::ThinkingBudget(std::optional<ThinkingLimit> limit, std::shared_ptr<const Tokenizer> tokenizer)
    : limit_(std::move(limit)), tokenizer_(std::move(tokenizer)) {
  if (limit_ && limit_->forced.empty()) limit_.reset();
  if (!limit_) return;
  for (const std::string& end : limit_->ends) longest_end_ = std::max(longest_end_, end.size());
}

std::optional<TokenId> ThinkingBudget::forced() const {
  if (!limit_ || taken_ < limit_->tokens) return {};
  return limit_->forced[put_in_];
}

void ThinkingBudget::push(TokenId id) {
  if (!limit_) return;
  if (taken_ >= limit_->tokens) {
    ++put_in_;
  } else {
    ++taken_;
  }
  if (put_in_ == limit_->forced.size() || (put_in_ == 0 && has_ended(id))) limit_.reset();
}

// Whether one of the ends stands at the end of the text, which `id` continues, or in what `id` adds.
bool ThinkingBudget::has_ended(TokenId id) {
  tail_ += tokenizer_->token_bytes(id, true);
  const auto is_written = [&](const std::string& end) { return tail_.find(end) != std::string::npos; };
  if (std::any_of(limit_->ends.begin(), limit_->ends.end(), is_written)) return true;
  if (tail_.size() >= longest_end_) tail_.erase(0, tail_.size() - longest_end_ + 1);
  return false;
}

}  // namespace oag
