#include "llm/generate/prompt_lookup.h"

#include <algorithm>

namespace oag {
namespace {

// A shorter match says too little, a longer one no more.
constexpr size_t kLeastMatch = 3, kMostMatch = 8;

constexpr int64_t kLongestPause = 32;  // drafts

// How many tokens before `a` and before `b` are the same.
size_t match(std::span<const TokenId> tokens, size_t a, size_t b) {
  size_t length = 0;
  while (length < std::min(a, kMostMatch) && tokens[a - 1 - length] == tokens[b - 1 - length]) ++length;
  return length;
}

}  // namespace

std::vector<TokenId> PromptLookup::draft(std::span<const TokenId> tokens, int64_t room) {
  const int64_t wanted = std::min(next_, room);
  if (wanted <= 0) return {};
  size_t best = 0, best_length = kLeastMatch - 1;
  for (size_t end = tokens.size() - std::min<size_t>(tokens.size(), 1); end > 0; --end) {
    if (tokens[end - 1] != tokens.back()) continue;
    const size_t length = match(tokens, end, tokens.size());
    if (length <= best_length) continue;  // of equal ones the latest
    best = end;
    best_length = length;
    if (length == kMostMatch) break;
  }
  if (best == 0 || left_-- > 0) return {};
  left_ = 0;
  const auto from = tokens.subspan(best);
  const size_t count = std::min(from.size(), static_cast<size_t>(wanted));
  return {from.begin(), from.begin() + static_cast<std::ptrdiff_t>(count)};
}

void PromptLookup::judge(int64_t drafted, int64_t right) {
  if (drafted == 0) return;
  next_ = right == drafted ? std::min(most_, 2 * next_) : std::max<int64_t>(1, right);
  pause_ = right > 0 ? 0 : std::clamp<int64_t>(2 * pause_, 1, kLongestPause);
  left_ = pause_;
}

}  // namespace oag
