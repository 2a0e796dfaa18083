#include "cli/interrupt.h"

#include <unistd.h>

#include "base/error.h"
#include "cli/command.h"

namespace oag::cli {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(20);

std::atomic<bool> raised{false};
std::atomic<bool> second_ignored{false};
std::atomic<bool> term_raised{false};

void on_signal(int signal) {
  const bool again = raised.exchange(true);
  const bool second_term = signal == SIGTERM && term_raised.exchange(true);
  if (second_term || (again && !second_ignored.load())) ::_exit(kExitInterrupted);
}

}  // namespace

InterruptScope::InterruptScope(Second second)
    : previous_ignored_(second_ignored.exchange(second == Second::kIsIgnored)) {
  raised.store(false);
  struct sigaction action{};
  action.sa_handler = on_signal;  // no SA_RESTART: a blocked read returns
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, &previous_int_);
  ::sigaction(SIGTERM, &action, &previous_term_);
}

InterruptScope::~InterruptScope() {
  ::sigaction(SIGINT, &previous_int_, nullptr);
  ::sigaction(SIGTERM, &previous_term_, nullptr);
  second_ignored.store(previous_ignored_);
}

bool InterruptScope::interrupted() {
  return raised.load();
}

bool InterruptScope::terminated() {
  return term_raised.load();
}

const std::atomic<bool>& InterruptScope::flag() {
  return raised;
}

InterruptibleRun::InterruptibleRun(std::optional<TimePoint> deadline) {
  control_.emplace(0, deadline);
  watcher_ = std::jthread([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (InterruptScope::interrupted()) {
        const std::lock_guard lock(mutex_);
        return control_->cancel();
      }
      std::this_thread::sleep_for(kPoll);
    }
  });
}

RunControl& InterruptibleRun::renew(std::optional<TimePoint> deadline) {
  const std::lock_guard lock(mutex_);
  control_.emplace(0, deadline);
  if (InterruptScope::interrupted()) control_->cancel();
  return *control_;
}

void InterruptibleRun::check() const {
  if (control_->cancelled() || InterruptScope::interrupted()) fail(ErrorCode::kCancelled, "oag", "cancelled");
}

}  // namespace oag::cli
