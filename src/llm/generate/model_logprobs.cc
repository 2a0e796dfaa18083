#include "llm/generate/model_logprobs.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "llm/generate/fast_exp.h"

namespace oag {
namespace {

// log of the sum of e^(x - most)
double log_sum(std::span<const float> logits, float most) {
  constexpr size_t kBlock = 256, kLanes = 8;  // in loops so simple that they compile to vectors
  float weights[kBlock];
  double sum = 0;
  for (size_t begin = 0; begin < logits.size(); begin += kBlock) {
    const auto block = logits.subspan(begin, std::min(kBlock, logits.size() - begin));
    for (size_t i = 0; i < block.size(); ++i) weights[i] = exp_of(block[i] - most);
    std::fill(weights + block.size(), weights + kBlock, 0.0f);
    float lanes[kLanes] = {};
    for (size_t i = 0; i < kBlock; i += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += weights[i + lane];
    }
    for (const float lane : lanes) sum += lane;
  }
  return std::log(sum);
}

}  // namespace

const TokenLogprobs& ModelLogprobs::compute(std::span<const float> logits, TokenId id, int64_t top) {
  ranked_.resize(std::min(logits.size(), static_cast<size_t>(std::max<int64_t>(top, 1))));
  Ranking ranking(ranked_);
  ranking.offer(logits, 0);
  const std::span<const Ranked> best = ranking.sorted();
  const float most = best.empty() ? 0.0f : best.front().value;
  const double total = log_sum(logits, most);
  const auto logprob = [&](float logit) {
    return logit >= std::numeric_limits<float>::lowest() ? static_cast<float>(logit - most - total)
                                                         : -std::numeric_limits<float>::infinity();
  };
  top_.clear();
  for (const Ranked& candidate : best.first(std::min(best.size(), static_cast<size_t>(top))))
    top_.push_back({candidate.id, logprob(candidate.value)});
  const auto at = static_cast<size_t>(id);
  logprobs_ = {logprob(at < logits.size() ? logits[at] : -std::numeric_limits<float>::infinity()), top_};
  return logprobs_;
}

}  // namespace oag
