#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace oag {

// Threads for what takes longer than an event loop may: JSON, templates, tokenizers, pictures. Jobs are done
// in order of arrival.
class Workers {
 public:
  Workers(int threads, size_t max_waiting);
  ~Workers();  // jobs that wait are dropped
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // False, and nothing happens, where too many wait.
  bool submit(std::function<void()> job);

 private:
  void work();

  const size_t max_waiting_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace oag
