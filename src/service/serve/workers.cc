#include "service/serve/workers.h"

#include <utility>

namespace oag {

Workers::Workers(int threads, size_t max_waiting, size_t max_bytes)
    : max_waiting_(max_waiting), max_bytes_(max_bytes) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

Workers::~Workers() {
  std::deque<Job> dropped;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped.swap(jobs_);
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool Workers::submit(size_t bytes, std::function<void()> job) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || jobs_.size() >= max_waiting_ || (!jobs_.empty() && bytes_ + bytes > max_bytes_))
      return false;
    jobs_.push_back({bytes, std::move(job)});
    bytes_ += bytes;
  }
  changed_.notify_one();
  return true;
}

void Workers::work() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
      bytes_ -= job.bytes;
    }
    job.run();
  }
}

}  // namespace oag
