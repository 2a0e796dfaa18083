#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/function_ref.h"
#include "llm/generate/generation.h"
#include "llm/generate/kv_pages.h"
#include "llm/generate/language_model.h"
#include "llm/generate/mask_worker.h"
#include "llm/generate/model_runner.h"
#include "llm/generate/wake_up.h"

namespace oag {

// What works for a LanguageModel: the model, the requests that wait and run, and the loop over them. The
// thread that runs the loop shares it, so it outlives a LanguageModel that goes away on that thread.
class Scheduler : public std::enable_shared_from_this<Scheduler> {
 public:
  Scheduler(const std::shared_ptr<Runtime>& runtime, const ModelBundle& bundle,
            const LanguageModelOptions& options);
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Loops until stop() was called and every request has ended. Errors end the answers they concern.
  void run();

  // Cancels every request and takes no more; returns at once.
  void stop();

  Generation submit(GenerationRequest request);
  const ModelRunner& runner() const { return runner_; }
  const std::shared_ptr<const Tokenizer>& tokenizer() const { return tokenizer_; }
  int64_t free_pages() const;
  LanguageModelStats stats() const;
  // Whether the caller runs on the thread that ends requests in the queue.
  bool is_watch_thread() const;

 private:
  using SharedPtr = std::shared_ptr<Generation::Shared>;

  // In scheduler_queue.cc. Those marked mutex_ are called with it locked.
  void admit();
  static bool waits_for_leader(Generation::Shared& generation);   // mutex_
  bool fits(const Generation::Shared& next) const;                // mutex_
  bool fits_without_lower(const Generation::Shared& next) const;  // mutex_
  void adopt(Generation::Shared& generation);                     // mutex_
  void preempt_last();                                            // mutex_
  void make_watch();                                              // mutex_
  void adopt_known_pages();
  void publish(Generation::Shared& generation) noexcept;
  void take_pages(std::vector<int64_t>& counts);
  void drop_stopped();
  void finish_stopped(Generation::Shared& generation) noexcept;
  void watch_queue();

  std::vector<int64_t> plan_step();
  void run_step();
  void count_step(std::span<const SequenceStep> steps);
  void fail_all(ErrorCode code, const char* why);
  TokenId pick(TokenChooser& chooser, const Tensor& logits, size_t row) const;
  TokenId pick_ranked(TokenChooser& chooser, const RankedLogits& ranked, size_t row) const;
  void append_draft(Generation::Shared& generation, int64_t room);
  void take_tokens(Generation::Shared& generation, size_t rows, FunctionRef<TokenId(size_t)> pick_row);
  void take_token(Generation::Shared& generation, FunctionRef<TokenId()> pick);
  void emit(Generation::Shared& generation, const TokenEvent& event);
  void finish(Generation::Shared& generation, FinishReason reason, std::string error = "",
              ErrorCode code = ErrorCode::kInternal) noexcept;
  void tell_end(Generation::Shared& generation) noexcept;

  std::shared_ptr<const Tokenizer> tokenizer_;
  LanguageModelOptions options_;
  ModelRunner runner_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<SharedPtr> waiting_;  // by priority, then arrival
  std::vector<SharedPtr> active_;   // likewise; the scheduler's own, others read it under mutex_
  int64_t ending_ = 0;  // taken off both lists, and neither counted as ended nor without pages yet
  KvPages pages_;       // likewise
  bool stopping_ = false;
  int64_t next_arrival_ = 0;
  LanguageModelStats counts_;  // without what stats() reads elsewhere
  std::atomic<int64_t> generated_tokens_{0};
  bool was_interrupted_ = false;  // the last step; the scheduler's own
  MaskWorker masks_;              // likewise

  std::shared_ptr<WakeUp> queue_watch_ = std::make_shared<WakeUp>();
  std::thread watch_;  // made under mutex_, joined by run()
  std::thread::id watch_id_;
  bool watch_failed_ = false;
};

}  // namespace oag
