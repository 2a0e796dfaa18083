#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <thread>

#include "base/clock.h"
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
  // Prompts that begin alike share the pages of the KV cache that hold what they have in common, and pages of
  // answers that have ended are kept for those who go on from there, until they are wanted for something
  // else. Answers are the same, token for token.
  bool prefix_cache = true;
};

// What a model has done and has to do.
struct LanguageModelStats {
  int64_t waiting = 0, running = 0;  // requests
  // Pages of the KV cache: all; those that hold nothing; those that are kept for prefixes and used by nobody
  // now. Running requests hold the rest.
  int64_t pages_total = 0, pages_free = 0, pages_cached = 0;
  // Since the model was made:
  int64_t prefix_queries = 0;   // prompt tokens that were looked for in the prefix cache
  int64_t prefix_hits = 0;      // of these, found
  int64_t prompt_tokens = 0;    // of requests that were admitted
  int64_t computed_tokens = 0;  // that went through the model, once more after a preemption, guesses included
  int64_t generated_tokens = 0;
  int64_t preemptions = 0;
  // Of requests: submitted = waiting + running + finished at any time.
  int64_t submitted = 0;
  int64_t finished = 0;       // requests that ended, however
  int64_t cancellations = 0;  // of these, cancelled
  int64_t failures = 0;       // of these, with an error
  // Whether the model makes progress: when work is pending, a step ends now and then.
  int64_t steps = 0;                       // that ran to their end
  TimePoint last_step_end{};               // of them; not set: none did
  std::optional<TimePoint> pending_since;  // there has been work without a pause; not set: there is none
};

// A model that answers many requests at once: a thread of its own puts the next token of every running answer
// and chunks of new prompts into one ragged batch, step after step.
//
// Requests wait in order of priority, then arrival. The first of them is admitted when there is a place and
// the pages that its prompt still needs are neither in use nor promised to others, with one to spare for each
// answer at work; when none is at work, always. For one of higher priority, answers of lower priority make
// room.
//
// Answers take pages as they grow. When there is none, the least recently used page of the prefix cache goes;
// when there is none of those either, the youngest answer of the lowest priority at work, which may be the
// one that grows, gives all its pages back and waits again in its old place. It then reads prompt and answer
// once more, as far as the prefix cache lost them; what it has said stands. The oldest of the highest
// priority is never the one to give way, so something always comes to its end.
//
// The tokens of a step that answers leave are shared among prompts as share_step() says: higher priorities
// first, and within one half for the prompt that came first and half for those with the fewest tokens left. A
// prompt that wants the very page that another one fills in this step waits for it.
class LanguageModel {
 public:
  // Errors: those of ModelRunner; kOutOfMemory when the system gives no thread.
  LanguageModel(const std::shared_ptr<Runtime>& runtime, const ModelBundle& bundle,
                const LanguageModelOptions& options = {});
  // Cancels what is running and waits until it has ended. On the model's own threads, where on_token runs and
  // is let go, it does not wait.
  ~LanguageModel();
  LanguageModel(const LanguageModel&) = delete;
  LanguageModel& operator=(const LanguageModel&) = delete;

  // A request that is cancelled or passes its deadline before it is admitted ends at once, others within a
  // step. Errors: kInvalidArgument for an empty prompt, one longer than the context, one that does not fit
  // the cache with its answer, or options out of range; kBusy when too many requests wait.
  Generation submit(GenerationRequest request);

  const ModelRunner& runner() const;
  const std::shared_ptr<const Tokenizer>& tokenizer() const;
  int64_t free_pages() const;        // of the KV cache, that no request holds; all of them when nothing runs
  LanguageModelStats stats() const;  // cheap: never waits for a step

 private:
  std::shared_ptr<Scheduler> scheduler_;  // shared with the thread
  std::thread thread_;
};

}  // namespace oag
