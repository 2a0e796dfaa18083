#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <span>
#include <thread>

#include "llm/generate/token_chooser.h"

namespace oag {

// Computes the masks of constrained answers on a thread of its own while a step runs. The thread is made when
// the first mask is wanted; where the system gives none, masks are computed after the step. Used by one
// thread.
class MaskWorker {
 public:
  MaskWorker() = default;
  ~MaskWorker();
  MaskWorker(const MaskWorker&) = delete;
  MaskWorker& operator=(const MaskWorker&) = delete;

  // Masks that are being computed. Its end waits for them, and helps.
  class Batch {
   public:
    explicit Batch(MaskWorker& worker) : worker_(worker) {}
    ~Batch() { worker_.finish(); }
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;

   private:
    MaskWorker& worker_;
  };

  // Begins with the masks of `choosers`, which nobody else touches until the batch has ended, and which
  // outlive it. One batch at a time.
  [[nodiscard]] Batch start(std::span<TokenChooser* const> choosers);

 private:
  void finish();
  void make_thread();
  void loop();
  void work(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable wanted_, done_;
  std::span<TokenChooser* const> choosers_;
  size_t next_ = 0;  // the first of them that nobody has begun
  size_t left_ = 0;  // not finished
  bool stopping_ = false;
  std::thread thread_;
  bool thread_failed_ = false;
};

}  // namespace oag
