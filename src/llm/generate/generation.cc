#include "llm/generate/generation.h"

#include "llm/generate/generation_shared.h"

namespace oag {

std::string_view finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop: return "stop";
    case FinishReason::kLength: return "length";
    case FinishReason::kCancelled: return "cancelled";
    case FinishReason::kError: return "error";
    case FinishReason::kRepetition: return "repetition";
  }
  return "error";
}

bool Generation::done() const {
  std::lock_guard lock(shared_->mutex);
  return shared_->has_ended;
}

bool Generation::wait(std::optional<TimePoint> deadline) const {
  std::unique_lock lock(shared_->mutex);
  const auto ended = [&] { return shared_->has_ended; };
  if (deadline) return shared_->ended.wait_until(lock, *deadline, ended);
  shared_->ended.wait(lock, ended);
  return true;
}

void Generation::cancel() const {
  shared_->cancel_asked.store(true);
  {
    std::lock_guard lock(shared_->mutex);
    if (shared_->interruptible_step) shared_->interruptible_step->cancel();
  }
  shared_->queue_watch->ring();
}

GenerationResult Generation::result() const {
  wait();
  std::lock_guard lock(shared_->mutex);
  return shared_->result;
}

}  // namespace oag
