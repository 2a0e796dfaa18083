#include "cli/model_bench.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "base/error.h"
#include "cli/terminal.h"

namespace oag::cli {
namespace {

constexpr int64_t kStepTokens = 256;  // of a prefill step, as in LanguageModel
constexpr int64_t kWarmUpSteps = 8;

int64_t longest(const std::vector<int64_t>& values) {
  return *std::max_element(values.begin(), values.end());
}

// What needs too much memory is said with the options that bench has.
std::unique_ptr<ModelRunner> make_runner(const std::shared_ptr<Runtime>& runtime, const ModelBundle& bundle,
                                         const RunnerOptions& options) {
  try {
    return std::make_unique<ModelRunner>(runtime, bundle, options);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kOutOfMemory) throw;
    const std::string need = error.message().substr(0, error.message().rfind(';'));
    fail(error.code(), error.where(),
         "{}; a smaller --batch, --context, --prefill or --decode, or another --kv, needs less", need);
  }
}

// Which tokens they are does not matter for the time they take; these are the same in every run.
std::vector<TokenId> arbitrary_tokens(int64_t count, int64_t vocabulary) {
  std::minstd_rand random(1);
  std::vector<TokenId> tokens(static_cast<size_t>(count));
  for (TokenId& token : tokens) token = static_cast<TokenId>(random() % static_cast<uint64_t>(vocabulary));
  return tokens;
}

}  // namespace

RunnerOptions bench_options(const ModelOptions& options, const BenchPlan& plan, const ModelBundle& bundle) {
  RunnerOptions runner = runner_options(options, bundle);
  runner.context_tokens = plan.longest_sequence();
  if (runner.context_tokens > bundle.config.context_tokens) {
    fail(
        ErrorCode::kInvalidArgument, "bench",
        "--context {} and the {} tokens after it are more than the {} tokens that {} was trained for; choose "
        "smaller --context, --prefill or --decode",
        longest(plan.contexts), std::max(plan.prefill_tokens, plan.decode_tokens),
        bundle.config.context_tokens, bundle.name());
  }
  const int64_t pages = (runner.context_tokens + runner.page_tokens - 1) / runner.page_tokens;
  const int64_t batch = longest(plan.batches);
  runner.cache_tokens = batch * pages * runner.page_tokens;
  // Prompts, and what fills the cache before, come in steps of kStepTokens; a decode step has a token of
  // each.
  const int64_t prompts = batch * std::max(plan.prefill_tokens, longest(plan.contexts));
  runner.step_tokens = std::max(std::min(prompts, kStepTokens), batch);
  runner.logits_rows = batch;
  return runner;
}

int64_t BenchPlan::longest_sequence() const {
  return longest(contexts) + std::max(prefill_tokens, decode_tokens);
}

double BenchResult::tokens_per_s() const {
  const double made = static_cast<double>(batch) * (prefill ? static_cast<double>(tokens) : 1.0);
  return made / latency_ms.median() * 1e3;
}

ModelBench::ModelBench(const ModelOptions& options, const BenchPlan& plan, RunControl& control)
    : plan_(plan),
      control_(control),
      cache_dtype_(*dtype_from_name(options.cache)),
      bundle_(load_model(options)),
      runtime_(make_runtime(options)),
      runner_(make_runner(runtime_, bundle_, bench_options(options, plan, bundle_))),
      explain_(options.explain),
      load_ms_(elapsed_ms(created_)),
      tokens_(
          arbitrary_tokens(plan.longest_sequence(), static_cast<int64_t>(bundle_.tokenizer->size_tokens()))) {
  const int64_t pages_each = runner_->pages_for(plan.longest_sequence());
  for (int64_t i = 0; i < longest(plan.batches); ++i) {
    pages_.emplace_back(static_cast<size_t>(pages_each));
    std::iota(pages_.back().begin(), pages_.back().end(), static_cast<int32_t>(i * pages_each));
  }
}

SequenceStep ModelBench::part(size_t sequence, int64_t first, int64_t count, bool wants_logits) const {
  return {std::span(tokens_).subspan(static_cast<size_t>(first), static_cast<size_t>(count)),
          first,
          pages_[sequence],
          wants_logits ? count - 1 : count,
          {1, 0.0f}};  // of a greedy answer
}

void ModelBench::step(std::span<const SequenceStep> sequences) {
  Tensor logits;
  if (runner_->step(sequences, control_, logits) != RunState::kDone)
    fail(ErrorCode::kCancelled, "bench", "cancelled");
}

// Fills steps with the prompts one after the other, as the scheduler does with prompts that come together.
ModelBench::Prefill ModelBench::prefill_once(int64_t batch, int64_t first, int64_t count) {
  Prefill prefill;
  const TimePoint begin = Clock::now();
  std::vector<SequenceStep> parts;
  int64_t room = kStepTokens, ended = 0;
  const auto run_step = [&] {
    step(parts);
    prefill.first_token_ms.insert(prefill.first_token_ms.end(), static_cast<size_t>(ended),
                                  elapsed_ms(begin));
    parts.clear();
    room = kStepTokens;
    ended = 0;
  };
  for (int64_t sequence = 0; sequence < batch; ++sequence) {
    for (int64_t at = 0; at < count;) {
      const int64_t taken = std::min(room, count - at);
      const bool last = at + taken == count;
      parts.push_back(part(static_cast<size_t>(sequence), first + at, taken, last));
      at += taken;
      room -= taken;
      ended += last ? 1 : 0;
      if (room == 0) run_step();
    }
  }
  if (!parts.empty()) run_step();
  prefill.total_ms = elapsed_ms(begin);
  return prefill;
}

double ModelBench::decode_once(int64_t batch, int64_t position) {
  std::vector<SequenceStep> parts;
  for (int64_t i = 0; i < batch; ++i) parts.push_back(part(static_cast<size_t>(i), position, 1, true));
  const TimePoint begin = Clock::now();
  step(parts);
  return elapsed_ms(begin);
}

// The same steps as prefill_once.
StepWork ModelBench::prefill_work(int64_t batch, int64_t context) const {
  StepWork work;
  std::vector<SequenceWork> parts;
  int64_t room = kStepTokens;
  for (int64_t sequence = 0; sequence < batch; ++sequence) {
    for (int64_t at = 0; at < plan_.prefill_tokens;) {
      const int64_t taken = std::min(room, plan_.prefill_tokens - at);
      parts.push_back({taken, context + at, at + taken == plan_.prefill_tokens});
      at += taken;
      room -= taken;
      const bool end = at == plan_.prefill_tokens && sequence + 1 == batch;
      if (room > 0 && !end) continue;
      work += step_work(program(), bundle_.config, cache_dtype_, parts);
      parts.clear();
      room = kStepTokens;
    }
  }
  return work;
}

void ModelBench::start_profile() {
  if (!explain_) return;
  profile_ = std::make_unique<StepProfile>(program());
  runner_->observe(profile_.get());
}

std::optional<Breakdown> ModelBench::take_breakdown(FunctionRef<void()> once) {
  if (!profile_) return {};
  profile_->count(true);
  once();
  runner_->observe(nullptr);
  return std::exchange(profile_, nullptr)->result();
}

BenchResult ModelBench::measure_prefill(int64_t batch, int64_t context, const OnRepeat& on_repeat) {
  BenchResult result{true, plan_.prefill_tokens, batch, context, {}, 0, 0, prefill_work(batch, context), {}};
  Samples first_token;
  prefill_once(batch, context, plan_.prefill_tokens);
  on_repeat();
  start_profile();
  for (int i = 0; i < plan_.repeats; ++i) {
    const Prefill prefill = prefill_once(batch, context, plan_.prefill_tokens);
    result.latency_ms.add(prefill.total_ms);
    if (profile_) profile_->add_sample(prefill.total_ms);
    for (const double ms : prefill.first_token_ms) first_token.add(ms);
    on_repeat();
  }
  result.ttft_ms = first_token.median();
  result.breakdown = take_breakdown([&] { prefill_once(batch, context, plan_.prefill_tokens); });
  return result;
}

BenchResult ModelBench::measure_decode(int64_t batch, int64_t context, const OnRepeat& on_repeat) {
  BenchResult result{false, plan_.decode_tokens, batch, context, {}, 0, 0, {}, {}};
  for (int64_t i = 0; i < std::min(kWarmUpSteps, plan_.decode_tokens); ++i) decode_once(batch, context + i);
  on_repeat();
  start_profile();
  for (int repeat = 0; repeat < plan_.repeats; ++repeat) {
    for (int64_t i = 0; i < plan_.decode_tokens; ++i) {
      const double ms = decode_once(batch, context + i);
      result.latency_ms.add(ms);
      if (profile_) profile_->add_sample(ms);
    }
    on_repeat();
  }
  // The median step's: half of the tokens were decoded before it.
  const int64_t middle = context + plan_.decode_tokens / 2;
  const std::vector<SequenceWork> parts(static_cast<size_t>(batch), {1, middle, 1});
  result.work = step_work(program(), bundle_.config, cache_dtype_, parts);
  result.breakdown = take_breakdown([&] { decode_once(batch, middle); });
  return result;
}

std::vector<BenchResult> ModelBench::run(const OnProgress& on_progress) {
  std::vector<BenchResult> results;
  const int64_t phases = (plan_.prefill_tokens > 0) + (plan_.decode_tokens > 0);
  const auto cases = phases * static_cast<int64_t>(plan_.batches.size() * plan_.contexts.size());
  const int64_t total = cases * (plan_.repeats + 1);
  int64_t done = 0;
  std::string now;
  const auto announce = [&](std::string what) {
    now = std::move(what);
    on_progress(now, done, total);
  };
  const auto on_repeat = [&] { on_progress(now, ++done, total); };
  const auto add = [&](BenchResult result) {
    result.peak_bytes = peak_memory_bytes();
    results.push_back(std::move(result));
  };
  if (const int64_t context = longest(plan_.contexts); context > 0) {
    announce("filling the cache");
    prefill_once(longest(plan_.batches), 0, context);
  }
  for (const int64_t batch : plan_.batches) {
    for (const int64_t context : plan_.contexts) {
      double ttft_ms = 0;
      if (plan_.prefill_tokens > 0) {
        announce(fmt::format("prefill, batch {}, context {}", batch, context));
        add(measure_prefill(batch, context, on_repeat));
        ttft_ms = results.back().ttft_ms;
      }
      if (plan_.decode_tokens > 0) {
        announce(fmt::format("decode, batch {}, context {}", batch, context));
        add(measure_decode(batch, context, on_repeat));
        results.back().ttft_ms = ttft_ms;
      }
    }
  }
  return results;
}

}  // namespace oag::cli
