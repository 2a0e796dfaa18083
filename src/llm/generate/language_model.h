#pragma once

#include <memory>
#include <thread>

#include "llm/generate/generation.h"
#include "llm/generate/model_runner.h"

namespace oag {

class Scheduler;

struct LanguageModelOptions {
  RunnerOptions runner;
  int64_t max_sequences = 8;   // at work at once; more wait
  int64_t max_waiting = 1024;  // submits beyond are refused
  int64_t step_tokens = 256;   // most tokens in one step
  int64_t shared_step_tokens =
      128;  // the same while some sequence is decoding, so that it is not held up for long
};

// A model that answers many requests at once: a thread of its own puts the next token of every running answer
// and chunks of new prompts into one ragged batch, step after step.
class LanguageModel {
 public:
  // Errors: those of ModelRunner; kOutOfMemory when the system gives no thread.
  LanguageModel(const std::shared_ptr<Runtime>& runtime, const ModelBundle& bundle,
                const LanguageModelOptions& options = {});
  // Cancels what is running and waits until it has ended. On the model's own thread, where on_token runs and
  // is let go, it does not wait.
  ~LanguageModel();
  LanguageModel(const LanguageModel&) = delete;
  LanguageModel& operator=(const LanguageModel&) = delete;

  // Requests that wait are admitted by priority, and among those at work the higher priorities' prompts are
  // read first. Errors: kInvalidArgument for an empty prompt, one longer than the context, or options out of
  // range; kBusy when too many requests wait.
  Generation submit(GenerationRequest request);

  const ModelRunner& runner() const;
  const std::shared_ptr<const Tokenizer>& tokenizer() const;
  int64_t free_pages() const;  // of the KV cache; all of them when nothing runs

 private:
  std::shared_ptr<Scheduler> scheduler_;  // shared with the thread
  std::thread thread_;
};

}  // namespace oag
