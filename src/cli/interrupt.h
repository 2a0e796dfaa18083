#pragma once

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
};

}  // namespace oag::cli
