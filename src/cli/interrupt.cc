#include "cli/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/command.h"

namespace oag::cli {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(20);

std::atomic<bool> raised{false};
struct sigaction previous_int, previous_term;

void on_signal(int) {
  if (raised.exchange(true)) ::_exit(kExitInterrupted);
}

}  // namespace

InterruptScope::InterruptScope() {
  raised.store(false);
  struct sigaction action{};
  action.sa_handler = on_signal;  // no SA_RESTART: a blocked read returns
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &previous_int);
  ::sigaction(SIGTERM, &action, &previous_term);
}

InterruptScope::~InterruptScope() {
  ::sigaction(SIGINT, &previous_int, nullptr);
  ::sigaction(SIGTERM, &previous_term, nullptr);
}

bool InterruptScope::interrupted() {
  return raised.load();
}

const std::atomic<bool>& InterruptScope::flag() {
  return raised;
}

InterruptibleRun::InterruptibleRun()
    : watcher_([this](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
          if (InterruptScope::interrupted()) return control_.cancel();
          std::this_thread::sleep_for(kPoll);
        }
      }) {}

void InterruptibleRun::check() const {
  if (control_.cancelled() || InterruptScope::interrupted()) fail(ErrorCode::kCancelled, "oag", "cancelled");
}

}  // namespace oag::cli
