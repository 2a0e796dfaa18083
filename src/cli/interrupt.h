#pragma once

#include <atomic>
#include <thread>

#include "base/run_control.h"

namespace oag::cli {

// While one lives, Ctrl-C (SIGINT) and SIGTERM set a flag instead of ending the process. A second one within
// the same scope ends it at once.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;
  static bool interrupted();
  static const std::atomic<bool>& flag();
};

// A computation that Ctrl-C cancels: `control` is for its runs.
class InterruptibleRun {
 public:
  InterruptibleRun();
  RunControl& control() { return control_; }
  // Errors: kCancelled once interrupted.
  void check() const;

 private:
  InterruptScope scope_;
  RunControl control_;
  std::jthread watcher_;
};

}  // namespace oag::cli
