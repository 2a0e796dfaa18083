#include "cli/interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

#include "cli/command.h"

namespace oag::cli {
namespace {

std::atomic<bool> flag{false};
struct sigaction previous_int, previous_term;

void on_signal(int) {
  if (flag.exchange(true)) ::_exit(kExitInterrupted);
}

}  // namespace

InterruptScope::InterruptScope() {
  flag.store(false);
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
  return flag.load();
}

}  // namespace oag::cli
