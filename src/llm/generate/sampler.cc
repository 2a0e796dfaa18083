#include "llm/generate/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "llm/generate/fast_exp.h"
#include "llm/generate/token_mask.h"

namespace oag {
namespace {

void check_range(const char* name, double value, double low, double high) {
  if (!(value >= low && value <= high)) {
    fail(ErrorCode::kInvalidArgument, name, "{} is outside [{}, {}]", value, low, high);
  }
}

void check_id(const char* name, TokenId id, int64_t tokens) {
  if (id < 0 || id >= tokens)
    fail(ErrorCode::kInvalidArgument, name, "token id {} is outside [0, {})", id, tokens);
}

// splitmix64 (Steele, Lea, Flood 2014): one 64-bit state, passes BigCrush, identical everywhere.
uint64_t next_random(uint64_t& state) {
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

const SamplingOptions& validated(const SamplingOptions& options) {
  options.validate();
  return options;
}

[[noreturn]] void fail_without_a_token() {
  fail(ErrorCode::kCorruptData, "logits",
       "all are NaN or -inf, so there is no next token; the model file may be damaged");
}

// The first of the largest logits, -1 where there is none. NaN is never the largest.
TokenId largest(std::span<const float> logits) {
  Ranked room[1];
  Ranking ranking(room);
  ranking.offer(logits, 0);
  return ranking.kept().empty() ? -1 : room[0].id;
}

// The best of logits that were made of the original ones.
TokenId best_of(std::span<const float> logits, std::span<const float> original) {
  const TokenId best = largest(logits);
  if (best >= 0) return best;
  if (largest(original) < 0) fail_without_a_token();
  fail(ErrorCode::kInvalidArgument, "logits",
       "allowed ids, bad words, the constraint and the least length of the answer together leave no next "
       "token; ask for less of them");
}

bool better(const Ranked& a, const Ranked& b) {
  return a.before(b);
}

// Sums of blocks of `kBlock` weights let a draw skip whole blocks.
constexpr size_t kBlock = 64;

double block_sum(std::span<const float> weights, size_t begin) {
  const auto block = weights.subspan(begin, std::min(kBlock, weights.size() - begin));
  float lanes[8] = {};
  size_t i = 0;
  for (; i + 8 <= block.size(); i += 8) {
    for (size_t lane = 0; lane < 8; ++lane) lanes[lane] += block[i + lane];
  }
  double sum = 0;
  for (; i < block.size(); ++i) sum += block[i];
  for (const float lane : lanes) sum += lane;
  return sum;
}

double sum_of(std::span<const float> weights) {
  double sum = 0;
  for (size_t at = 0; at < weights.size(); at += kBlock) sum += block_sum(weights, at);
  return sum;
}

}  // namespace

void SamplingOptions::validate() const {
  check_range("temperature", temperature, 0, 100);
  check_range("top-k", top_k, 0, 1 << 30);
  check_range("top-p", top_p, 0, 1);
  check_range("min-p", min_p, 0, 1);
  check_range("repeat-penalty", repeat_penalty, 0.01F, 100);
  check_range("frequency-penalty", frequency_penalty, -100, 100);
  check_range("presence-penalty", presence_penalty, -100, 100);
  for (const auto& [id, bias] : logit_bias) check_range("logit-bias", bias, -1e6, 1e6);
  for (const std::vector<TokenId>& word : bad_words) {
    if (word.empty()) fail(ErrorCode::kInvalidArgument, "bad-words", "holds a sequence without tokens");
  }
}

void SamplingOptions::validate_ids(int64_t tokens) const {
  for (const auto& [id, bias] : logit_bias) check_id("logit-bias", id, tokens);
  for (const TokenId id : allowed) check_id("allowed", id, tokens);
  for (const std::vector<TokenId>& word : bad_words) {
    for (const TokenId id : word) check_id("bad-words", id, tokens);
  }
}

Sampler::Sampler(const SamplingOptions& options, std::span<const TokenId> prompt)
    : options_(validated(options)),
      random_state_(options.seed),
      allowed_(mask_of(options.allowed)),
      bad_words_(options.bad_words, prompt) {
  if (options_.repeat_penalty == 1.0f) return;
  for (const TokenId id : prompt) ++seen_counts_[id];
}

double Sampler::uniform() {
  return static_cast<double>(next_random(random_state_) >> 11) * 0x1p-53;
}

bool Sampler::penalizes() const {
  return options_.repeat_penalty != 1.0f || options_.frequency_penalty != 0.0f ||
         options_.presence_penalty != 0.0f;
}

bool Sampler::changes_logits() const {
  return penalizes() || !options_.logit_bias.empty() || !allowed_.empty() || !bad_words_.empty();
}

// Makes changed_ of the logits. Masks come first, which is cheaper and the same: -inf stays -inf.
void Sampler::change(std::span<const float> logits, const PickLimits& limits) {
  changed_.resize(logits.size());
  if (limits.mask.empty() && allowed_.empty()) {
    std::copy(logits.begin(), logits.end(), changed_.begin());
  } else if (limits.mask.empty() || allowed_.empty()) {
    copy_allowed(logits, allowed_.empty() ? limits.mask : allowed_, changed_);
  } else {
    mask_.resize(std::min(limits.mask.size(), allowed_.size()));
    for (size_t i = 0; i < mask_.size(); ++i) mask_[i] = limits.mask[i] & allowed_[i];
    copy_allowed(logits, mask_, changed_);
  }
  for (const auto& [id, bias] : options_.logit_bias) {
    if (static_cast<size_t>(id) < changed_.size()) changed_[static_cast<size_t>(id)] += bias;
  }
  if (penalizes()) penalize();
  bad_words_.bar(changed_);
  for (const TokenId id : limits.barred) {
    if (static_cast<size_t>(id) < changed_.size())
      changed_[static_cast<size_t>(id)] = -std::numeric_limits<float>::infinity();
  }
}

void Sampler::penalize() {
  if (options_.repeat_penalty != 1.0f) {
    for (const auto& [id, count] : seen_counts_) {
      if (static_cast<size_t>(id) >= changed_.size()) continue;
      float& logit = changed_[static_cast<size_t>(id)];
      logit = logit > 0 ? logit / options_.repeat_penalty : logit * options_.repeat_penalty;
    }
  }
  if (options_.frequency_penalty == 0.0f && options_.presence_penalty == 0.0f) return;
  for (const auto& [id, count] : answer_counts_) {
    if (static_cast<size_t>(id) >= changed_.size()) continue;
    changed_[static_cast<size_t>(id)] -=
        options_.frequency_penalty * static_cast<float>(count) + options_.presence_penalty;
  }
}

// The best of the logits, best first; every one where top-k is off or takes them all.
void Sampler::keep_top_k(std::span<const float> logits) {
  constexpr size_t kFewEnough = 1024;  // for a heap; more are selected at once
  const auto k = static_cast<size_t>(options_.top_k);
  if (k > 0 && k <= std::min(kFewEnough, logits.size())) {
    candidates_.resize(k);
    Ranking ranking(candidates_);
    ranking.offer(logits, 0);
    candidates_.resize(ranking.sorted().size());
    return;
  }
  candidates_.resize(logits.size());
  size_t count = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    candidates_[count] = {logits[i], static_cast<TokenId>(i)};
    count += static_cast<size_t>(logits[i] >= std::numeric_limits<float>::lowest());  // no NaN, no -inf
  }
  candidates_.resize(count);
  if (k == 0) return;
  if (k < count) {
    std::nth_element(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(k) - 1,
                     candidates_.end(), better);
    candidates_.resize(k);
  }
  std::sort(candidates_.begin(), candidates_.end(), better);
}

// Makes logits of the candidates what is divided by the temperature, and drops the unlikely ones.
void Sampler::keep_min_p(float most) {
  // The largest becomes 0: divided by a tiny temperature several would become infinite, and equal.
  const float least = options_.min_p > 0 ? std::log(options_.min_p) : std::numeric_limits<float>::lowest();
  size_t count = 0;
  for (const Ranked& candidate : candidates_) {
    const float logit = candidate.value == most ? 0.0f : (candidate.value - most) / options_.temperature;
    candidates_[count] = {logit, candidate.id};
    count += static_cast<size_t>(logit >= least);
  }
  candidates_.resize(count);
}

// Sorts no more than it needs: the best 64, then ever larger heads, until they hold the wanted probability.
void Sampler::keep_top_p() {
  const double wanted = options_.top_p * sum_of(weights_);
  size_t sorted = options_.top_k > 0 ? candidates_.size() : 0, head = 64;
  double mass = 0;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    if (i == sorted) {
      sorted = std::min(head, candidates_.size());
      const auto begin = candidates_.begin() + static_cast<std::ptrdiff_t>(i);
      std::partial_sort(begin, candidates_.begin() + static_cast<std::ptrdiff_t>(sorted), candidates_.end(),
                        better);
      head *= 8;
    }
    weights_[i] = exp_of(candidates_[i].value);
    mass += weights_[i];
    if (mass >= wanted) {
      candidates_.resize(i + 1);
      weights_.resize(i + 1);
      return;
    }
  }
}

// From candidates whose largest logit is 0.
TokenId Sampler::draw() {
  weights_.resize(candidates_.size());
  for (size_t i = 0; i < candidates_.size(); ++i) weights_[i] = exp_of(candidates_[i].value);
  if (options_.top_p < 1) keep_top_p();
  double left = uniform() * sum_of(weights_);
  for (size_t at = 0; at < weights_.size(); at += kBlock) {
    const double block = block_sum(weights_, at);
    if (left >= block) {
      left -= block;
      continue;
    }
    for (size_t i = at; i < std::min(at + kBlock, weights_.size()); ++i) {
      left -= weights_[i];
      if (left < 0) return candidates_[i].id;
    }
  }
  return candidates_.back().id;
}

void Sampler::count(TokenId id) {
  bad_words_.push(id);
  if (!penalizes()) return;
  ++answer_counts_[id];
  if (options_.repeat_penalty != 1.0f) ++seen_counts_[id];
}

TokenId Sampler::counted(TokenId picked) {
  count(picked);
  return picked;
}

TokenId Sampler::pick(std::span<const float> logits, int64_t usable_tokens, const PickLimits& limits) {
  logits = logits.first(std::min(logits.size(), static_cast<size_t>(usable_tokens)));
  const std::span<const float> original = logits;
  if (changes_logits() || !limits.mask.empty() || !limits.barred.empty()) {
    change(logits, limits);
    logits = changed_;
  }
  const TokenId best = best_of(logits, original);
  if (options_.temperature == 0.0f) return counted(best);
  keep_top_k(logits);
  keep_min_p(logits[static_cast<size_t>(best)]);
  return counted(draw());
}

RankRequest Sampler::request(int64_t most) const {
  if (changes_logits()) return {};
  if (options_.temperature == 0.0f) return {1, 0.0f};
  if (options_.top_k == 0 || options_.top_k > most) return {};
  if (options_.min_p == 0.0f) return {options_.top_k};
  // A little more than min-p asks for, which pick_ranked() looks at again with its own rounding.
  return {options_.top_k, -std::log(options_.min_p) * options_.temperature * 1.0001f};
}

TokenId Sampler::pick_ranked(std::span<const float> logits, std::span<const TokenId> ids) {
  candidates_.clear();
  for (size_t i = 0; i < ids.size() && ids[i] >= 0; ++i) candidates_.push_back({logits[i], ids[i]});
  if (candidates_.empty()) fail_without_a_token();
  if (options_.temperature == 0.0f) return candidates_.front().id;
  keep_min_p(candidates_.front().value);
  return draw();
}

}  // namespace oag
