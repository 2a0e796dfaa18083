#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/clock.h"

namespace oag {

// Threads for what takes longer than an event loop may: JSON, templates, tokenizers, pictures. Jobs are done
// in order of arrival.
class Workers {
 public:
  // `name`: of the threads. `max_bytes`: of what waits, as submit() is told.
  Workers(const char* name, int threads, size_t max_waiting, size_t max_bytes);
  ~Workers();  // jobs that wait are dropped
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // False, and nothing happens, where too many wait, or what they hold is too much.
  bool submit(size_t bytes, std::function<void()> job);

  // When the oldest job that is being done began; none: all are idle.
  std::optional<TimePoint> busy_since() const;

 private:
  void work(size_t thread);

  struct Job {
    size_t bytes = 0;
    std::function<void()> run;
  };

  const size_t max_waiting_, max_bytes_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  size_t bytes_ = 0;
  std::vector<std::optional<TimePoint>> began_;  // of each thread
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace oag
