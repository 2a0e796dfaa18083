#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "base/samples.h"
#include "cli/model_options.h"
#include "cli/step_profile.h"
#include "cli/step_work.h"

namespace oag::cli {

// What to measure: each phase for every batch at every context.
struct BenchPlan {
  int64_t prefill_tokens = 512;  // of each sequence; 0: leave this phase out
  int64_t decode_tokens = 64;
  std::vector<int64_t> batches = {1};
  std::vector<int64_t> contexts = {0};  // tokens that every sequence has in the cache beforehand
  int repeats = 3;

  int64_t longest_sequence() const;
};

// What a ModelRunner needs for a plan: the longest sequence, all sequences' cache, and the largest steps.
// Errors: kInvalidArgument when a sequence would be longer than the model's context.
RunnerOptions bench_options(const ModelOptions& options, const BenchPlan& plan, const ModelBundle& bundle);

struct BenchResult {
  bool prefill = false;
  int64_t tokens = 0;   // of each sequence
  int64_t batch = 0;    // sequences
  int64_t context = 0;  // cached tokens of each before
  Samples latency_ms;   // prefill: of all prompts together; decode: of a step, one token a sequence
  double ttft_ms =
      0;  // median over sequences: until the first token, of prompts that come together; 0: no prefill
  uint64_t peak_bytes = 0;             // of the process, so far
  StepWork work;                       // of what latency_ms is about
  std::optional<Breakdown> breakdown;  // of latency_ms by operator, with --explain
  double tokens_per_s() const;
};

// A model, loaded once, whose phases are timed.
class ModelBench {
 public:
  // Errors: kInvalidArgument when a sequence would be longer than the model's context; those of ModelRunner.
  ModelBench(const ModelOptions& options, const BenchPlan& plan, RunControl& control);

  using OnProgress = std::function<void(std::string_view what, int64_t done, int64_t total)>;  // repetitions
  // Errors: kCancelled when `control` was.
  std::vector<BenchResult> run(const OnProgress& on_progress);

  const ModelBundle& bundle() const { return bundle_; }
  const Program& program() const { return runner_->session().program(); }
  Device& device() const { return *runtime_->devices().front(); }
  double load_ms() const { return load_ms_; }

 private:
  struct Prefill {
    double total_ms = 0;
    std::vector<double> first_token_ms;  // of each sequence
  };

  SequenceStep part(size_t sequence, int64_t first, int64_t count, bool wants_logits) const;
  void step(std::span<const SequenceStep> sequences);
  Prefill prefill_once(int64_t batch, int64_t first, int64_t count);
  double decode_once(int64_t batch, int64_t position);
  using OnRepeat = std::function<void()>;  // after each repetition, warm-ups too
  BenchResult measure_prefill(int64_t batch, int64_t context, const OnRepeat& on_repeat);
  BenchResult measure_decode(int64_t batch, int64_t context, const OnRepeat& on_repeat);
  StepWork prefill_work(int64_t batch, int64_t context) const;
  void start_profile();  // with --explain
  // One more of what `once` does, counted and not timed, completes what the profile saw.
  std::optional<Breakdown> take_breakdown(FunctionRef<void()> once);

  BenchPlan plan_;
  RunControl& control_;
  DType cache_dtype_;
  TimePoint created_ = Clock::now();
  ModelBundle bundle_;
  std::shared_ptr<Runtime> runtime_;
  std::unique_ptr<ModelRunner> runner_;
  std::unique_ptr<StepProfile> profile_;  // with --explain
  bool explain_;
  double load_ms_ = 0;
  std::vector<TokenId> tokens_;              // one sequence's; all have the same
  std::vector<std::vector<int32_t>> pages_;  // of each sequence
};

}  // namespace oag::cli
