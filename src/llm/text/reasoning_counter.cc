#include "llm/text/reasoning_counter.h"

#include <algorithm>

namespace oag {
namespace {

constexpr std::string_view kBegin = "<think>", kEnd = "</think>";

// The longest end of `text` that `mark` begins with, in bytes.
size_t begun_mark(std::string_view text, std::string_view mark) {
  for (size_t size = std::min(text.size(), mark.size() - 1); size > 0; --size) {
    if (text.ends_with(mark.substr(0, size))) return size;
  }
  return 0;
}

}  // namespace

void ReasoningCounter::take(std::string_view token) {
  held_ += token;
  ends_.push_back(held_.size());
  for (;;) {
    const std::string_view mark = inside_ ? kEnd : kBegin;
    const size_t at = held_.find(mark);
    if (at == std::string::npos) {
      remove(held_.size() - begun_mark(held_, mark), inside_);
      return;
    }
    remove(at, inside_);
    remove(mark.size(), false);
    inside_ = !inside_;
  }
}

int64_t ReasoningCounter::tokens() const {
  if (!inside_ || ends_.empty()) return count_;
  return count_ + static_cast<int64_t>(ends_.size()) - (first_is_counted_ ? 1 : 0);
}

// Takes the first bytes off; with `counts`, tokens that have some of them are counted.
void ReasoningCounter::remove(size_t bytes, bool counts) {
  size_t whole = 0;
  for (; whole < ends_.size() && ends_[whole] <= bytes; ++whole) {
    count_ += counts && !first_is_counted_ ? 1 : 0;
    first_is_counted_ = false;
  }
  const size_t begin = whole > 0 ? ends_[whole - 1] : 0;
  if (whole < ends_.size() && begin < bytes && counts && !first_is_counted_) {
    ++count_;
    first_is_counted_ = true;
  }
  ends_.erase(ends_.begin(), ends_.begin() + static_cast<std::ptrdiff_t>(whole));
  for (size_t& end : ends_) end -= bytes;
  held_.erase(0, bytes);
}

}  // namespace oag
