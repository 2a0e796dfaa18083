#pragma once

#include <signal.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

#include "base/run_control.h"

namespace oag::cli {

// While one lives, Ctrl-C (SIGINT) and SIGTERM set a flag instead of ending the process. Scopes may stand
// inside each other; each begins with the flag cleared.
class InterruptScope {
 public:
  // What a second signal in the same scope does. A chat is ended by its user's words, not by one Ctrl-C too
  // many; a second SIGTERM ends the process wherever it comes.
  enum class Second { kEndsProcess, kIsIgnored };

  explicit InterruptScope(Second second = Second::kEndsProcess);
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;
  static bool interrupted();
  static const std::atomic<bool>& flag();
  // SIGTERM came, in this scope or in an earlier one.
  static bool terminated();

 private:
  struct sigaction previous_int_{}, previous_term_{};
  bool previous_ignored_;
};

// A computation that Ctrl-C cancels: `control` is for its runs.
class InterruptibleRun {
 public:
  explicit InterruptibleRun(std::optional<TimePoint> deadline = {});
  RunControl& control() { return *control_; }
  // A control for what follows, with a deadline of its own; the one before is gone. Cancelled at once when
  // interrupted.
  RunControl& renew(std::optional<TimePoint> deadline);
  // Errors: kCancelled once interrupted.
  void check() const;

 private:
  InterruptScope scope_;
  std::mutex mutex_;  // guards which control there is
  std::optional<RunControl> control_;
  std::jthread watcher_;
};

}  // namespace oag::cli
