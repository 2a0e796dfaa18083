#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

#include "engine/ops/kernel.h"

namespace oag {

// Tells engines that look at no run control when to stop: a thread looks for them, every few milliseconds
// while there are runs to watch. Thread safe.
class StopWatcher {
  struct Watch;

 public:
  // A run that is watched, until the end of this object's life; its call has returned by then.
  class Guard {
   public:
    Guard(StopWatcher& watcher, std::list<Watch>::iterator watch) : watcher_(watcher), watch_(watch) {}
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    StopWatcher& watcher_;
    std::list<Watch>::iterator watch_;
  };

  StopWatcher() = default;
  ~StopWatcher();
  StopWatcher(const StopWatcher&) = delete;
  StopWatcher& operator=(const StopWatcher&) = delete;

  // Calls `stop` on the watcher's thread when env.should_stop(), and again until the run has ended: an engine
  // may forget what it is told before it begins. Errors: kOutOfMemory when the system gives no thread.
  Guard watch(const KernelEnv& env, std::function<void()> stop);

 private:
  struct Watch {
    const KernelEnv& env;
    std::function<void()> stop;
  };

  void look();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Watch> watches_;
  std::thread thread_;  // started for the first run
  bool ending_ = false;
};

}  // namespace oag
