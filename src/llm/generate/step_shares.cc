#include "llm/generate/step_shares.h"

#include <algorithm>
#include <numeric>

namespace oag {

void share_step(std::span<PromptShare> prompts, int64_t budget,
                FunctionRef<bool(size_t, std::span<const size_t>)> waits) {
  std::vector<size_t> order(prompts.size()), served;
  std::iota(order.begin(), order.end(), 0);
  const auto give = [&](size_t i, int64_t most) {
    PromptShare& prompt = prompts[i];
    const int64_t tokens = std::min({prompt.pending - prompt.tokens, most, budget});
    if (tokens <= 0) return;
    if (prompt.tokens == 0) {
      if (waits(i, served)) return;
      served.push_back(i);
    }
    prompt.tokens += tokens;
    budget -= tokens;
  };
  for (auto begin = order.begin(); begin != order.end() && budget > 0;) {
    const size_t first = *begin;
    const auto end = std::find_if(begin, order.end(),
                                  [&](size_t i) { return prompts[i].priority != prompts[first].priority; });
    give(first, (budget + 1) / 2);
    std::sort(begin + 1, end, [&](size_t a, size_t b) {
      return prompts[a].pending < prompts[b].pending || (prompts[a].pending == prompts[b].pending && a < b);
    });
    for (auto next = begin + 1; next != end; ++next) give(*next, budget);
    give(first, budget);
    begin = end;
  }
}

}  // namespace oag
