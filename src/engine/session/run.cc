#include "engine/session/run.h"

#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "engine/session/run_shared.h"

namespace oag {
namespace {

bool has_ended(RunState state) {
  return state != RunState::kQueued && state != RunState::kRunning;
}

// Whatever a callback throws is its own affair: neither the run nor other callbacks suffer.
void call_done(const std::function<void(RunState)>& callback, RunState state) {
  try {
    callback(state);
  } catch (const std::exception& thrown) {
    log(LogLevel::kError, "a run's on_done callback threw: {}", thrown.what());
  } catch (...) {
    log(LogLevel::kError, "a run's on_done callback threw");
  }
}

}  // namespace

void RunHandle::Shared::start() {
  std::lock_guard lock(mutex);
  state = RunState::kRunning;
}

void RunHandle::Shared::finish(RunState final_state, std::exception_ptr why) {
  std::vector<std::function<void(RunState)>> to_call;
  {
    std::lock_guard lock(mutex);
    state = final_state;
    error = std::move(why);
    to_call.swap(callbacks);
  }
  ended.notify_all();
  for (const auto& callback : to_call) call_done(callback, final_state);
}

RunState RunHandle::status() const {
  std::lock_guard lock(shared_->mutex);
  return shared_->state;
}

RunState RunHandle::wait(std::optional<TimePoint> deadline) const {
  std::unique_lock lock(shared_->mutex);
  const auto done = [&] { return has_ended(shared_->state); };
  if (deadline) {
    shared_->ended.wait_until(lock, *deadline, done);
  } else {
    shared_->ended.wait(lock, done);
  }
  return shared_->state;
}

void RunHandle::cancel() const {
  shared_->control.cancel();
  if (shared_->ticket.withdraw()) shared_->finish(RunState::kCancelled, nullptr);
}

std::vector<Tensor> RunHandle::outputs() const {
  const RunState state = wait();
  std::lock_guard lock(shared_->mutex);
  if (shared_->error) std::rethrow_exception(shared_->error);
  if (state == RunState::kCancelled) fail(ErrorCode::kCancelled, "run", "was cancelled");
  if (state == RunState::kDeadlineExceeded) fail(ErrorCode::kDeadlineExceeded, "run", "passed its deadline");
  return shared_->outputs;
}

void RunHandle::on_done(std::function<void(RunState)> callback) const {
  RunState state;
  {
    std::lock_guard lock(shared_->mutex);
    state = shared_->state;
    if (!has_ended(state)) {
      shared_->callbacks.push_back(std::move(callback));
      return;
    }
  }
  call_done(callback, state);
}

}  // namespace oag
