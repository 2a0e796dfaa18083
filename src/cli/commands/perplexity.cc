// oag perplexity: how well a model predicts a text.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/terminal.h"

namespace oag::cli {
namespace {

constexpr int64_t kStepTokens = 512;
constexpr int64_t kLogitsBytes = int64_t{64} << 20;  // of one step

struct PerplexityFlags {
  ModelOptions model;
  std::string file;
  int64_t window_tokens = 512;
  bool json = false;
};

struct Score {
  int64_t tokens = 0;
  double sum = 0, sum_of_squares = 0;  // of negative log likelihoods

  double mean() const { return sum / static_cast<double>(tokens); }
  double perplexity() const { return std::exp(mean()); }
  // Of the perplexity: the standard error of the mean, carried through exp.
  double standard_error() const {
    const double variance = sum_of_squares / static_cast<double>(tokens) - mean() * mean();
    return tokens > 1 ? std::sqrt(std::max(variance, 0.0) / static_cast<double>(tokens - 1)) * perplexity()
                      : 0;
  }
};

// -log p(target) under softmax of `logits` [vocab].
double negative_log_likelihood(std::span<const float> logits, TokenId target) {
  const float most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - most);
  return std::log(sum) - static_cast<double>(logits[static_cast<size_t>(target)] - most);
}

class PerplexityRun {
 public:
  PerplexityRun(const PerplexityFlags& flags, const ModelBundle& bundle, std::shared_ptr<Runtime> runtime)
      : window_(flags.window_tokens), bundle_(bundle), runtime_(std::move(runtime)) {
    RunnerOptions options = runner_options(flags.model, bundle);
    if (window_ > bundle.config.context_tokens) fail_context(bundle, "--ctx", window_);
    options.context_tokens = window_;
    step_tokens_ = std::clamp<int64_t>(
        kLogitsBytes / (bundle.config.vocab_size * static_cast<int64_t>(sizeof(float))), 16, kStepTokens);
    options.step_tokens = kStepTokens;
    options.logits_rows = step_tokens_;  // of one step, see score_window
    runner_ = std::make_unique<ModelRunner>(runtime_, bundle, options);
    pages_.resize(static_cast<size_t>(runner_->pages()));
    std::iota(pages_.begin(), pages_.end(), 0);
  }

  const Program& program() const { return runner_->session().program(); }

  // Scores the second half of one window. Its last token is only predicted, never read.
  void score_window(std::vector<TokenId> tokens, RunControl& control, Score& score) {
    if (bundle_.tokenizer->adds_bos()) tokens.front() = *bundle_.tokenizer->vocabulary().bos;
    const int64_t first_scored = window_ / 2, last = window_ - 1;
    for (int64_t at = 0; at < last;) {
      // A step ends where scoring begins, so that it has logits of all its tokens or of none.
      const int64_t limit = at < first_scored ? std::min(at + kStepTokens, first_scored) : at + step_tokens_;
      const int64_t end = std::min(limit, last);
      const SequenceStep step{
          std::span(tokens).subspan(static_cast<size_t>(at), static_cast<size_t>(end - at)), at, pages_,
          at < first_scored ? end - at : 0};
      Tensor logits;
      if (runner_->step({&step, 1}, control, logits) != RunState::kDone) return;
      if (at >= first_scored) add_rows(logits, std::span(tokens).subspan(static_cast<size_t>(at) + 1), score);
      at = end;
    }
  }

 private:
  void add_rows(const Tensor& logits, std::span<const TokenId> targets, Score& score) {
    const int64_t rows = logits.dims()[0], vocab = logits.dims()[1];
    const std::span<const float> values = logits.values<float>();
    std::vector<double> losses(static_cast<size_t>(rows));
    const RunControl always;
    runtime_->pool().parallel_for(always, rows, vocab * 4, [&](int64_t row, int) {
      losses[static_cast<size_t>(row)] = negative_log_likelihood(
          values.subspan(static_cast<size_t>(row * vocab), static_cast<size_t>(vocab)),
          targets[static_cast<size_t>(row)]);
    });
    for (const double loss : losses) {
      if (!std::isfinite(loss)) {
        fail(
            ErrorCode::kCorruptData, bundle_.path.string(),
            "gives {} as a token's probability, expected a number above 0; its weights are damaged or do not "
            "fit its architecture",
            std::isnan(loss) ? "NaN" : "0");
      }
      ++score.tokens;
      score.sum += loss;
      score.sum_of_squares += loss * loss;
    }
  }

  int64_t window_;
  const ModelBundle& bundle_;
  std::shared_ptr<Runtime> runtime_;
  std::unique_ptr<ModelRunner> runner_;
  std::vector<int32_t> pages_;
  int64_t step_tokens_;  // of a step that has logits of all its tokens
};

int perplexity(const PerplexityFlags& flags) {
  const std::string text = read_stream(flags.file);
  const ModelBundle bundle = load_model(flags.model);
  const std::vector<TokenId> tokens = bundle.tokenizer->encode(text);
  const int64_t window = flags.window_tokens, windows = static_cast<int64_t>(tokens.size()) / window;
  if (windows == 0) {
    fail(ErrorCode::kInvalidArgument, flags.file,
         "has {} tokens, one window takes {}; choose a smaller --ctx", tokens.size(), window);
  }
  InterruptibleRun run;
  PerplexityRun scoring(flags, bundle, make_runtime(flags.model));
  if (flags.model.explain) print_explain(scoring.program());
  Score score;
  ProgressBar bar;
  const TimePoint begin = Clock::now();
  for (int64_t i = 0; i < windows; ++i) {
    bar.update_count(i == 0 ? "windows" : fmt::format("perplexity {:.4f}, windows", score.perplexity()),
                     static_cast<uint64_t>(i), static_cast<uint64_t>(windows));
    const auto first = tokens.begin() + i * window;
    scoring.score_window({first, first + window}, run.control(), score);
    run.check();
  }
  const double seconds = elapsed_ms(begin) / 1e3;
  const double rate = static_cast<double>(windows * window) / seconds;
  bar.clear();
  if (flags.json) {
    print_json({{"schema", "oag.perplexity/1"},
                {"model", bundle.name()},
                {"precision", bundle.precision()},
                {"kv", flags.model.cache},
                {"file", flags.file},
                {"text_tokens", tokens.size()},
                {"window_tokens", window},
                {"windows", windows},
                {"scored_tokens", score.tokens},
                {"perplexity", score.perplexity()},
                {"standard_error", score.standard_error()},
                {"mean_nll", score.mean()},
                {"tokens_per_s", rate}});
  } else {
    fmt::print("perplexity {:.4f} ± {:.4f}\n", score.perplexity(), score.standard_error());
    fmt::print("{} windows of {} tokens, {} tokens scored, {:.1f} tokens/s\n", windows, window, score.tokens,
               rate);
  }
  return kExitOk;
}

void declare(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<PerplexityFlags>();
  CLI::App* command = app.add_subcommand("perplexity", "Measure how well a model predicts a text");
  command->footer(
      "The text is cut into windows, which the model reads each on its own; the predictions of the second "
      "half\n"
      "of each window count, and a rest too short for a window does not. Perplexities of different "
      "tokenizers\n"
      "or window sizes cannot be compared.");
  flags->model.declare_without_context(*command);
  command->add_option("FILE", flags->file, "The text, UTF-8")->required();
  command->add_option("--ctx", flags->window_tokens, "Tokens of a window")
      ->check(whole_number(4, uint64_t{1} << 31))
      ->capture_default_str();
  command->add_flag("--json", flags->json, "Print one JSON object (docs/schemas/perplexity.json)");
  command->callback([flags, &exit_code] { exit_code = perplexity(*flags); });
}

}  // namespace

extern constinit const Command kPerplexityCommand = {declare};

}  // namespace oag::cli
