#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "llm/generate/generation.h"
#include "llm/generate/model_runner.h"
#include "llm/generate/page_pool.h"

namespace oag {

struct LanguageModelOptions {
  RunnerOptions runner;
  int64_t max_sequences = 8;   // at work at once; more wait
  int64_t max_waiting = 1024;  // submits beyond are refused
  int64_t step_tokens = 512;   // most tokens in one step
  int64_t shared_step_tokens =
      128;  // the same while some sequence is decoding, so that it is not held up for long
};

// A model that answers many requests at once: a thread of its own puts the next token of every running answer
// and chunks of new prompts into one ragged batch, step after step.
class LanguageModel {
 public:
  // Errors: those of ModelRunner.
  LanguageModel(std::shared_ptr<Runtime> runtime, const ModelBundle& bundle,
                const LanguageModelOptions& options = {});
  ~LanguageModel();  // cancels what is running; not to be called from on_token
  LanguageModel(const LanguageModel&) = delete;
  LanguageModel& operator=(const LanguageModel&) = delete;

  // Requests that wait are admitted by priority, and among those at work the higher priorities' prompts are
  // read first. Errors: kInvalidArgument for an empty prompt, one longer than the context, or options out of
  // range; kBusy when too many requests wait.
  Generation submit(GenerationRequest request);

  const ModelRunner& runner() const { return runner_; }
  const std::shared_ptr<const Tokenizer>& tokenizer() const { return tokenizer_; }
  int64_t free_pages() const;  // of the KV cache; all of them when nothing runs

 private:
  using SharedPtr = std::shared_ptr<Generation::Shared>;

  void schedule();
  void admit();
  void drop_stopped();
  void run_step();
  void take_token(Generation::Shared& generation, std::span<const float> logits);
  void emit(Generation::Shared& generation, const TokenEvent& event);
  void finish(Generation::Shared& generation, FinishReason reason, std::string error = "");

  std::shared_ptr<const Tokenizer> tokenizer_;
  LanguageModelOptions options_;
  ModelRunner runner_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<SharedPtr> waiting_;  // by priority, then arrival
  std::vector<SharedPtr> active_;   // likewise; the scheduler's own, others read it under mutex_
  PagePool pages_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace oag
