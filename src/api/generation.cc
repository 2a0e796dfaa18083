#include <algorithm>

#include "api/generation_impl.h"
#include "api/translate.h"

namespace openautoglm {
namespace {

// Longer waits are cut to this: a point in time must not overflow.
constexpr std::chrono::milliseconds kLongestWait = std::chrono::hours(24 * 365);

static_assert(static_cast<int>(oag::FinishReason::kStop) == static_cast<int>(FinishReason::kStop));
static_assert(static_cast<int>(oag::FinishReason::kLength) == static_cast<int>(FinishReason::kLength));
static_assert(static_cast<int>(oag::FinishReason::kCancelled) == static_cast<int>(FinishReason::kCancelled));
static_assert(static_cast<int>(oag::FinishReason::kError) == static_cast<int>(FinishReason::kError));

}  // namespace

void CallbackGuard::call(const oag::TokenEvent& event) {
  thread_->enter();
  if (muted_.load()) return;
  try {
    if (on_token_({event.id, event.text})) return;
  } catch (const std::exception& error) {
    error_ = std::string("the token callback threw: ") + error.what();
  } catch (...) {
    error_ = "the token callback threw";
  }
  muted_.store(true);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return attached_; });
  if (generation_) generation_->cancel();
}

void CallbackGuard::attach(const oag::Generation& generation) {
  {
    std::lock_guard lock(mutex_);
    generation_ = generation;
    attached_ = true;
  }
  changed_.notify_all();
}

void CallbackGuard::detach(bool ended) {
  muted_.store(true);
  std::optional<oag::Generation> last;  // goes after the lock
  std::lock_guard lock(mutex_);
  last.swap(generation_);
  if (ended) on_token_ = nullptr;
}

void Generation::Impl::check_may_wait() const {
  if (!generation.done() && thread->is_this()) {
    oag::fail(oag::ErrorCode::kInvalidArgument, "wait",
              "was called inside a token callback of the same model, which would wait for itself");
  }
}

Result Generation::Impl::read_result() const {
  const oag::GenerationResult& from = generation.result();
  Result result;
  result.finish_reason = static_cast<FinishReason>(from.finish_reason);
  result.error = from.error;
  result.text = from.text;
  result.token_ids = from.token_ids;
  result.prompt_tokens = from.prompt_tokens;
  result.queue_ms = from.queue_ms;
  result.prefill_ms = from.prefill_ms;
  result.ttft_ms = from.ttft_ms;
  result.decode_ms = from.decode_ms;
  if (guard && !guard->error().empty()) {
    result.finish_reason = FinishReason::kError;
    result.error = guard->error();
  }
  return result;
}

Generation::Generation(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Generation::~Generation() {
  if (!impl_) return;
  impl_->generation.cancel();
  if (!impl_->thread->is_this()) impl_->generation.wait();
  if (impl_->guard) impl_->guard->detach(impl_->generation.done());
}

Generation::Generation(Generation&&) noexcept = default;

Generation& Generation::operator=(Generation&& other) noexcept {
  Generation ended(std::move(*this));
  impl_ = std::move(other.impl_);
  return *this;
}

bool Generation::done() const {
  return impl_->generation.done();
}

bool Generation::wait_for(std::chrono::milliseconds time) const {
  return translated([&] {
    if (time.count() > 0) impl_->check_may_wait();
    return impl_->generation.wait(oag::Clock::now() +
                                  std::clamp(time, std::chrono::milliseconds::zero(), kLongestWait));
  });
}

void Generation::cancel() {
  impl_->generation.cancel();
}

const Result& Generation::result() const {
  return translated([&]() -> const Result& {
    impl_->check_may_wait();
    std::lock_guard lock(impl_->mutex);
    if (!impl_->result) impl_->result = impl_->read_result();
    return *impl_->result;
  });
}

}  // namespace openautoglm
