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

std::string StopMatcher::release(std::string_view fresh, bool at_end) {
  if (matched_) return "";
  held_ += fresh;
  size_t keep = 0;
  size_t first = std::string::npos;
  for (const std::string& stop : stops_) {
    if (stop.empty()) continue;
    first = std::min(first, held_.find(stop));
    keep = std::max(keep, partial_match(held_, stop));
  }
  if (first != std::string::npos) {
    matched_ = true;
    return held_.substr(0, first);
  }
  if (at_end) keep = 0;
  std::string out = held_.substr(0, held_.size() - keep);
  held_.erase(0, out.size());
  return out;
}

}  // namespace oag
