#include "service/serve/deadline_watch.h"

#include <utility>

#include "base/thread_name.h"

namespace oag {

DeadlineWatch::DeadlineWatch()
    : thread_([this] {
        name_thread("oag-deadlines");
        work();
      }) {}

DeadlineWatch::~DeadlineWatch() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void DeadlineWatch::at(TimePoint due, std::function<void()> act) {
  {
    std::lock_guard lock(mutex_);
    acts_.emplace(due, std::move(act));
  }
  changed_.notify_all();
}

void DeadlineWatch::work() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (acts_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const TimePoint next = acts_.begin()->first;
    if (Clock::now() < next) {
      changed_.wait_until(lock, next);
      continue;
    }
    const auto due = acts_.extract(acts_.begin());
    lock.unlock();
    due.mapped()();
    lock.lock();
  }
}

}  // namespace oag
