#include "llm/generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace oag {
namespace {

void check_range(const char* name, double value, double low, double high) {
  if (!(value >= low && value <= high)) {
    fail(ErrorCode::kInvalidArgument, name, "{} is outside [{}, {}]", value, low, high);
  }
}

// splitmix64 (Steele, Lea, Flood 2014): one 64-bit state, passes BigCrush, identical everywhere.
uint64_t next_random(uint64_t& state) {
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// The first of the largest logits. NaN is never the largest.
TokenId largest(std::span<const float> logits) {
  float most = -std::numeric_limits<float>::infinity();
  TokenId id = -1;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] > most)) continue;
    most = logits[i];
    id = static_cast<TokenId>(i);
  }
  if (id < 0) {
    fail(ErrorCode::kCorruptData, "logits",
         "all {} are NaN or -inf, so there is no next token; the model file may be damaged", logits.size());
  }
  return id;
}

}  // namespace

void SamplingOptions::validate() const {
  check_range("temperature", temperature, 0, 100);
  check_range("top-k", top_k, 0, 1 << 30);
  check_range("top-p", top_p, 0, 1);
  check_range("min-p", min_p, 0, 1);
  check_range("repeat-penalty", repeat_penalty, 0.01, 100);
  check_range("frequency-penalty", frequency_penalty, -100, 100);
  check_range("presence-penalty", presence_penalty, -100, 100);
}

Sampler::Sampler(const SamplingOptions& options, std::span<const TokenId> prompt)
    : options_(options), random_state_(options.seed) {
  options_.validate();
  if (options_.repeat_penalty == 1.0f) return;
  for (const TokenId id : prompt) ++seen_counts_[id];
}

double Sampler::uniform() {
  return static_cast<double>(next_random(random_state_) >> 11) * 0x1p-53;
}

void Sampler::penalize() {
  if (options_.repeat_penalty != 1.0f) {
    for (const auto& [id, count] : seen_counts_) {
      if (static_cast<size_t>(id) >= candidates_.size()) continue;
      float& logit = candidates_[static_cast<size_t>(id)].logit;
      logit = logit > 0 ? logit / options_.repeat_penalty : logit * options_.repeat_penalty;
    }
  }
  if (options_.frequency_penalty == 0.0f && options_.presence_penalty == 0.0f) return;
  for (const auto& [id, count] : answer_counts_) {
    if (static_cast<size_t>(id) >= candidates_.size()) continue;
    candidates_[static_cast<size_t>(id)].logit -=
        options_.frequency_penalty * static_cast<float>(count) + options_.presence_penalty;
  }
}

// Sorts no more than it needs: the best 64, then ever larger heads, until they hold the wanted probability.
void Sampler::keep_top_p() {
  const auto better = [](const Candidate& a, const Candidate& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
  };
  const float top =
      std::max_element(candidates_.begin(), candidates_.end(), [&](const auto& a, const auto& b) {
        return better(b, a);
      })->logit;
  double total = 0;
  for (const Candidate& candidate : candidates_)
    total += std::exp(static_cast<double>(candidate.logit) - top);
  for (size_t head = 64;; head *= 8) {
    head = std::min(head, candidates_.size());
    std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(head),
                      candidates_.end(), better);
    double mass = 0;
    for (size_t i = 0; i < head; ++i) {
      mass += std::exp(static_cast<double>(candidates_[i].logit) - top);
      if (mass >= options_.top_p * total) {
        candidates_.resize(i + 1);
        return;
      }
    }
    if (head == candidates_.size()) return;
  }
}

TokenId Sampler::draw() {
  const auto better = [](const Candidate& a, const Candidate& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
  };
  // From here on the largest is 0: divided by a tiny temperature several would become infinite, and equal.
  float most = candidates_.front().logit;
  for (const Candidate& candidate : candidates_) most = std::max(most, candidate.logit);
  for (Candidate& candidate : candidates_)
    candidate.logit = candidate.logit == most ? 0.0f : (candidate.logit - most) / options_.temperature;
  const float least = options_.min_p > 0 ? std::log(options_.min_p) : std::numeric_limits<float>::lowest();
  std::erase_if(candidates_, [&](const Candidate& candidate) { return candidate.logit < least; });
  if (const auto k = static_cast<size_t>(options_.top_k); k > 0 && k < candidates_.size()) {
    std::nth_element(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(k) - 1,
                     candidates_.end(), better);
    candidates_.resize(k);
  }
  if (options_.top_p < 1) keep_top_p();
  // The order in which the candidates lie must not depend on how they were selected.
  std::sort(candidates_.begin(), candidates_.end(), better);
  const float top = candidates_.front().logit;
  double total = 0;
  for (const Candidate& candidate : candidates_)
    total += std::exp(static_cast<double>(candidate.logit) - top);
  double left = uniform() * total;
  for (const Candidate& candidate : candidates_) {
    left -= std::exp(static_cast<double>(candidate.logit) - top);
    if (left < 0) return candidate.id;
  }
  return candidates_.back().id;
}

TokenId Sampler::pick(std::span<const float> logits, int64_t usable_tokens) {
  logits = logits.first(std::min(logits.size(), static_cast<size_t>(usable_tokens)));
  const bool penalties = options_.repeat_penalty != 1.0f || options_.frequency_penalty != 0.0f ||
                         options_.presence_penalty != 0.0f;
  TokenId picked = largest(logits);
  if (options_.temperature != 0.0f || penalties) {
    candidates_.resize(logits.size());
    for (size_t i = 0; i < logits.size(); ++i) {
      const bool is_number = !std::isnan(logits[i]);
      candidates_[i] = {is_number ? logits[i] : -std::numeric_limits<float>::infinity(),
                        static_cast<TokenId>(i)};
    }
    penalize();
    if (options_.temperature == 0.0f) {
      picked = std::max_element(candidates_.begin(), candidates_.end(), [](const auto& a, const auto& b) {
                 return a.logit < b.logit;
               })->id;
    } else {
      picked = draw();
    }
  }
  ++answer_counts_[picked];
  if (options_.repeat_penalty != 1.0f) ++seen_counts_[picked];
  return picked;
}

}  // namespace oag
