#include "service/serve/workers.h"

#include <algorithm>
#include <utility>

#include "base/thread_name.h"

namespace oag {

Workers::Workers(const char* name, int threads, size_t max_waiting, size_t max_bytes)
    : max_waiting_(max_waiting), max_bytes_(max_bytes), began_(static_cast<size_t>(threads)) {
  for (size_t i = 0; i < began_.size(); ++i) {
    threads_.emplace_back([this, name, i] {
      name_thread(name);
      work(i);
    });
  }
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

std::optional<TimePoint> Workers::busy_since() const {
  std::lock_guard lock(mutex_);
  std::optional<TimePoint> oldest;
  for (const auto& began : began_) {
    if (began) oldest = std::min(oldest.value_or(*began), *began);
  }
  return oldest;
}

void Workers::work(size_t thread) {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      began_[thread].reset();
      changed_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
      bytes_ -= job.bytes;
      began_[thread] = Clock::now();
    }
    job.run();
  }
}

}  // namespace oag
