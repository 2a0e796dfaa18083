#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "base/clock.h"

namespace oag {

// Calls functions when their time has come, on a thread of its own. Thread safe.
class DeadlineWatch {
 public:
  DeadlineWatch();
  ~DeadlineWatch();  // what is not due yet is dropped
  DeadlineWatch(const DeadlineWatch&) = delete;
  DeadlineWatch& operator=(const DeadlineWatch&) = delete;

  // `act` must not block; it is kept until then, so it should hold weak pointers.
  void at(TimePoint due, std::function<void()> act);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<TimePoint, std::function<void()>> acts_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace oag
