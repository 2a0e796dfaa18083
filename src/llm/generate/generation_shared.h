#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "base/run_control.h"
#include "llm/generate/generation.h"
#include "llm/generate/kv_pages.h"
#include "llm/generate/prompt_images.h"
#include "llm/generate/prompt_lookup.h"
#include "llm/generate/stop_matcher.h"
#include "llm/generate/token_chooser.h"
#include "llm/generate/wake_up.h"

namespace oag {

// The state of one generation. What the scheduler's thread alone touches stands in the second part.
struct Generation::Shared {
  Shared(GenerationRequest wanted, std::shared_ptr<const Tokenizer> tokenizer)
      : request(std::move(wanted)),
        chooser(request, tokenizer),
        lookup(request.lookup_tokens),
        images(request.images, request.prompt.size()),
        text(std::move(tokenizer), request.stop, request.skip_special, request.include_stop) {}

  GenerationRequest request;
  std::atomic<bool> cancel_asked{false};
  std::shared_ptr<WakeUp> queue_watch;  // hears of a cancel
  mutable std::mutex mutex;
  mutable std::condition_variable ended;
  bool has_ended = false;
  GenerationResult result;
  // The step that this generation is in, while cancelling the step is the quickest way to stop it.
  std::shared_ptr<RunControl> interruptible_step;

  TokenChooser chooser;
  PromptLookup lookup;
  PromptImages images;
  std::vector<TokenId> draft;  // what stands behind `tokens` in the step at work
  StopMatcher text;
  std::vector<TokenId> tokens;                     // prompt and answer
  std::string callback_error;                      // of a callback that threw
  ErrorCode callback_code = ErrorCode::kInternal;  // likewise
  bool callback_stopped = false;                   // it wants no more
  int64_t cached = 0;                              // tokens whose keys and values are in the cache
  SequencePages pages;
  int64_t arrival = 0;         // counts up from one request to the next
  bool was_preempted = false;  // its pages were taken from it while it was at work
  TimePoint submitted = Clock::now(), started{}, first_token{}, last_token{};

  int64_t prompt_size() const { return static_cast<int64_t>(request.prompt.size()); }
  int64_t pending() const { return static_cast<int64_t>(tokens.size()) - cached; }
  // One token a step. An answer that was preempted reads its tokens again before.
  bool decodes() const { return !result.token_ids.empty() && pending() == 1; }
  SequenceContent content() const { return {tokens, request.images, request.cache_salt}; }
  bool expired() const { return request.deadline && Clock::now() >= *request.deadline; }
};

}  // namespace oag
