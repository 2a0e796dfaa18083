#include "llm/generate/autotune.h"

#include <algorithm>
#include <numeric>

#include "base/clock.h"
#include "base/error.h"
#include "llm/generate/model_runner.h"

namespace oag {
namespace {

constexpr int64_t kPromptTokens = 128, kAnswerTokens = 24;
constexpr double kWorthwhile = 0.97;

}  // namespace

double TuningSample::request_ms() const {
  return 256e3 / prefill_tokens_per_s + 64e3 / decode_tokens_per_s;
}

std::vector<int> thread_counts(int processors) {
  std::vector<int> counts;
  for (int threads = std::max(1, processors); threads >= 1; threads /= 2) counts.push_back(threads);
  return counts;
}

std::vector<TuningSample> explore(const TuningSpace& space, const MeasureCandidate& measure) {
  std::vector<TuningSample> samples;
  for (size_t v = 0; v < std::min<size_t>(2, space.variants.size()); ++v)
    samples.push_back(measure({space.variants[v], space.threads.front()}));
  const std::string variant = samples[fastest(samples)].candidate.variant;
  for (size_t t = 1; t < space.threads.size(); ++t) samples.push_back(measure({variant, space.threads[t]}));
  return samples;
}

size_t fastest(std::span<const TuningSample> samples) {
  const auto best = std::min_element(
      samples.begin(), samples.end(),
      [](const TuningSample& a, const TuningSample& b) { return a.request_ms() < b.request_ms(); });
  const bool worthwhile = best->request_ms() < kWorthwhile * samples.front().request_ms();
  return worthwhile ? static_cast<size_t>(best - samples.begin()) : 0;
}

TuningSample measure_candidate(const ModelBundle& bundle, std::span<const Backend* const> backends,
                               const TuningCandidate& candidate, DType cache_dtype,
                               const RunControl& control) {
  RunnerOptions options;
  options.context_tokens = std::min(bundle.config.context_tokens, kPromptTokens + kAnswerTokens);
  if (options.context_tokens < 2) {
    fail(ErrorCode::kUnsupported, bundle.path.string(),
         "has a context of {} token; to time a prompt and an answer takes 2: "
         "leave autotune out",
         options.context_tokens);
  }
  options.step_tokens = kPromptTokens;
  options.cache_dtype = cache_dtype;
  ModelRunner runner(
      std::make_shared<Runtime>(RuntimeOptions{backends, "cpu:" + candidate.variant, candidate.threads}),
      bundle, options);
  const int64_t answer = std::min(kAnswerTokens, options.context_tokens / 2);
  const int64_t prompt = options.context_tokens - answer;
  std::vector<TokenId> tokens(static_cast<size_t>(options.context_tokens));
  for (size_t i = 0; i < tokens.size(); ++i)
    tokens[i] = static_cast<TokenId>(static_cast<int64_t>(i) % runner.vocab_size());
  std::vector<int32_t> pages(static_cast<size_t>(runner.pages()));
  std::iota(pages.begin(), pages.end(), 0);
  const auto timed_step = [&](int64_t first, int64_t count) {
    const SequenceStep step{std::span(tokens).subspan(static_cast<size_t>(first), static_cast<size_t>(count)),
                            first, pages, count - 1};
    Tensor logits;
    const TimePoint begin = Clock::now();
    if (runner.step(std::span(&step, 1), control, logits) != RunState::kDone)
      fail(ErrorCode::kCancelled, "autotune", "cancelled");
    return elapsed_ms(begin);
  };
  timed_step(0, prompt);
  const double prompt_ms = std::min(timed_step(0, prompt), timed_step(0, prompt));
  std::vector<double> token_ms;
  for (int64_t i = 0; i < answer; ++i) token_ms.push_back(timed_step(prompt + i, 1));
  std::nth_element(token_ms.begin(), token_ms.begin() + answer / 2, token_ms.end());
  return {candidate, static_cast<double>(prompt) / prompt_ms * 1e3,
          1e3 / token_ms[static_cast<size_t>(answer / 2)]};
}

}  // namespace oag
