#include "llm/generate/mask_worker.h"

#include <system_error>

#include "base/log.h"
#include "base/thread_name.h"

namespace oag {

MaskWorker::~MaskWorker() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wanted_.notify_all();
  if (thread_.joinable()) thread_.join();
}

MaskWorker::Batch MaskWorker::start(std::span<TokenChooser* const> choosers) {
  if (!choosers.empty()) {
    make_thread();
    {
      std::lock_guard lock(mutex_);
      choosers_ = choosers;
      next_ = 0;
      left_ = choosers.size();
    }
    wanted_.notify_one();
  }
  return Batch(*this);
}

void MaskWorker::finish() {
  std::unique_lock lock(mutex_);
  work(lock);
  done_.wait(lock, [&] { return left_ == 0; });
  choosers_ = {};
  next_ = 0;
}

void MaskWorker::make_thread() {
  if (thread_.joinable() || thread_failed_) return;
  try {
    thread_ = std::thread([this] { loop(); });
  } catch (const std::system_error& error) {
    thread_failed_ = true;
    log(LogLevel::kWarning,
        "the system gives no thread for the masks of constrained answers ({}): they are computed after each "
        "step instead of beside it",
        error.what());
  }
}

void MaskWorker::loop() {
  name_thread("oag-masks");
  std::unique_lock lock(mutex_);
  for (;;) {
    wanted_.wait(lock, [&] { return stopping_ || next_ < choosers_.size(); });
    if (stopping_) return;
    work(lock);
  }
}

// Takes masks that nobody has begun, as long as there are some.
void MaskWorker::work(std::unique_lock<std::mutex>& lock) {
  while (next_ < choosers_.size()) {
    TokenChooser* const chooser = choosers_[next_++];
    lock.unlock();
    chooser->compute_mask();
    lock.lock();
    if (--left_ == 0) done_.notify_one();
  }
}

}  // namespace oag
