#include <algorithm>

#include "api/generation_impl.h"
#include "api/translate.h"

namespace openautoglm {
namespace {

// Longer waits are cut to this: a point in time must not overflow.
constexpr std::chrono::milliseconds kLongestWait = std::chrono::hours(24 * 365);

}  // namespace

bool MutableCallback::call(const oag::TokenEvent& event) {
  thread_->enter();
  return !muted_.load() && on_token_({event.id, event.text});
}

void Generation::Impl::check_may_wait() const {
  if (!generation.done() && thread->is_this()) {
    oag::fail(oag::ErrorCode::kInvalidArgument, "wait",
              "was called inside a token callback of the same model, which would wait for itself");
  }
}

Generation::Generation(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Generation::~Generation() {
  if (!impl_) return;
  impl_->generation.cancel();
  if (!impl_->thread->is_this()) impl_->generation.wait();
  if (impl_->callback) impl_->callback->mute();
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
    if (!impl_->result) impl_->result = public_result(impl_->generation.result());
    return *impl_->result;
  });
}

}  // namespace openautoglm
