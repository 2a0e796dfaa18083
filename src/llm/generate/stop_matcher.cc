#include "llm/generate/stop_matcher.h"

#include <algorithm>

namespace oag {
namespace {

// Length of the longest end of `text` that is a proper beginning of `stop`.
size_t partial_match(std::string_view text, std::string_view stop) {
  for (size_t length = std::min(text.size(), stop.size() - 1); length > 0; --length) {
    if (text.substr(text.size() - length) == stop.substr(0, length)) return length;
  }
  return 0;
}

}  // namespace

StopMatcher::StopMatcher(std::shared_ptr<const Tokenizer> tokenizer, std::vector<std::string> stops,
                         bool skip_special, bool include_stop)
    : tokenizer_(std::move(tokenizer)),
      decoder_(tokenizer_, {.skip_special = skip_special}),
      stops_(std::move(stops)),
      skip_special_(skip_special),
      include_stop_(include_stop) {
  std::erase(stops_, "");
}

std::string StopMatcher::push(TokenId id, bool may_stop) {
  const bool hidden = skip_special_ && tokenizer_->is_end(id);
  return release(hidden ? "" : decoder_.push(id), may_stop, false);
}

std::optional<StopMatcher::Match> StopMatcher::find_stop() const {
  std::optional<Match> first;
  for (size_t i = 0; i < stops_.size(); ++i) {
    const std::string& stop = stops_[i];
    const size_t begin = held_.find(stop, judged_ < stop.size() ? 0 : judged_ - stop.size() + 1);
    if (begin == std::string::npos) continue;
    const Match match{begin, begin + stop.size(), i};
    if (!first || match.end < first->end || (match.end == first->end && match.begin < first->begin))
      first = match;
  }
  return first;
}

std::string StopMatcher::release(std::string_view fresh, bool may_stop, bool at_end) {
  if (stop_) return "";
  held_ += fresh;
  if (may_stop) {
    if (const std::optional<Match> match = find_stop()) {
      stop_ = match->stop;
      return held_.substr(0, include_stop_ ? match->end : match->begin);
    }
  }
  size_t keep = 0;
  if (!at_end) {
    for (const std::string& stop : stops_) keep = std::max(keep, partial_match(held_, stop));
  }
  std::string out = held_.substr(0, held_.size() - keep);
  held_.erase(0, out.size());
  judged_ = held_.size();
  return out;
}

}  // namespace oag
