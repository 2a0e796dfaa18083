#include "service/serve/live_answers.h"

#include "service/protocol/request_error.h"

namespace oag {

LiveAnswers::Place::~Place() {
  std::function<void()> end;  // let go outside the lock
  std::lock_guard lock(all_.mutex_);
  end = std::move(*self_);
  all_.ends_.erase(self_);
  // Under the lock: whoever waits may destroy the list as soon as it is free.
  if (all_.ends_.empty()) all_.left_.notify_all();
}

std::unique_ptr<LiveAnswers::Place> LiveAnswers::add(std::function<void()> end) {
  std::lock_guard lock(mutex_);
  if (ended_) throw RequestError(503, "shutting_down", "", "the server is ending and takes no more requests");
  ends_.push_front(std::move(end));
  return std::make_unique<Place>(*this, ends_.begin());
}

void LiveAnswers::end_all() {
  std::list<std::function<void()>> ends;
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
    ends = ends_;
  }
  for (const auto& end : ends) end();
}

void LiveAnswers::wait_until_gone() {
  std::unique_lock lock(mutex_);
  left_.wait(lock, [&] { return ends_.empty(); });
}

}  // namespace oag
