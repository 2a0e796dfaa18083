#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>

#include "base/clock.h"

namespace oag {

// Wakes a thread that waits for it; a ring before the wait counts. Thread safe.
class WakeUp {
 public:
  void ring() {
    {
      std::lock_guard lock(mutex_);
      rung_ = true;
    }
    changed_.notify_all();
  }

  // Until it has rung since the last wait, or `deadline`.
  void wait(std::optional<TimePoint> deadline) {
    std::unique_lock lock(mutex_);
    const auto rung = [&] { return rung_; };
    if (deadline) {
      changed_.wait_until(lock, *deadline, rung);
    } else {
      changed_.wait(lock, rung);
    }
    rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool rung_ = false;
};

}  // namespace oag
