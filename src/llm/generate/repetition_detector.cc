#include "llm/generate/repetition_detector.h"

namespace oag {

RepetitionDetector::RepetitionDetector(const std::optional<RepetitionLimit>& limit) : limit_(limit) {
  if (!limit_) return;
  runs_.resize(static_cast<size_t>(limit_->max_pattern - limit_->min_pattern + 1));
  recent_.reserve(2 * static_cast<size_t>(limit_->max_pattern));
}

bool RepetitionDetector::push(TokenId id) {
  if (!limit_) return false;
  bool reached = false;
  for (int64_t p = limit_->min_pattern; p <= limit_->max_pattern; ++p) {
    const auto back = static_cast<size_t>(p);
    int64_t& run = runs_[static_cast<size_t>(p - limit_->min_pattern)];
    run = back <= recent_.size() && recent_[recent_.size() - back] == id ? run + 1 : 0;
    reached |= run >= (limit_->min_count - 1) * p;
  }
  const auto most = static_cast<size_t>(limit_->max_pattern);
  if (recent_.size() == 2 * most)
    recent_.erase(recent_.begin(), recent_.end() - static_cast<std::ptrdiff_t>(most));
  recent_.push_back(id);
  return reached;
}

}  // namespace oag
