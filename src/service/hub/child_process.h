#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace oag {

struct ChildRequest {
  std::vector<std::string> arguments;  // the first is looked up on PATH; no shell is involved
  std::vector<std::pair<std::string, std::string>>
      environment;  // added to our own, which is handed on untouched

  // Called about ten times a second with the child running; gives a number that changes while it gets on. May
  // throw.
  std::function<uint64_t()> on_tick;
  std::chrono::milliseconds idle_limit{
      300'000};  // ended when neither output nor that number changed for so long
  const std::atomic<bool>* cancel = nullptr;
};

struct ChildResult {
  enum class End { kExited, kSignalled, kNotStarted, kIdle, kCancelled };
  End end = End::kExited;
  int code = 0;        // exit status, signal number or errno
  std::string output;  // the last 16 KiB of its standard output and error
};

// Runs a program to its end, in a process group of its own so that the terminal's Ctrl-C does not reach it;
// on cancel, idling or an exception the whole group is ended (SIGTERM, after 2 s SIGKILL) before this
// returns. Errors: kIo.
ChildResult run_child(const ChildRequest& request);

}  // namespace oag
