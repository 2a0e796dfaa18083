#pragma once

#include <atomic>
#include <optional>

#include "base/clock.h"

namespace oag {

enum class RunState { kQueued, kRunning, kDone, kCancelled, kDeadlineExceeded, kFailed };

// What a running computation looks at between tiles: a cancel flag, a deadline and a priority (higher runs
// first). Shared by the owner, who may cancel from any thread, and the threads that compute.
class RunControl {
 public:
  explicit RunControl(int priority = 0, std::optional<TimePoint> deadline = {})
      : priority_(priority), deadline_(deadline) {}

  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  int priority() const { return priority_; }
  const std::optional<TimePoint>& deadline() const { return deadline_; }

  // True once the run should stop, for either reason.
  bool should_stop() const { return cancelled() || (deadline_ && Clock::now() >= *deadline_); }

 private:
  std::atomic<bool> cancelled_{false};
  int priority_;
  std::optional<TimePoint> deadline_;
};

}  // namespace oag
