#include "engine/device/stop_watcher.h"

#include <chrono>
#include <system_error>

#include "base/error.h"
#include "base/thread_name.h"

namespace oag {
namespace {

constexpr auto kLookEvery = std::chrono::milliseconds(4);

}  // namespace

StopWatcher::~StopWatcher() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

StopWatcher::Guard::~Guard() {
  std::lock_guard lock(watcher_.mutex_);
  watcher_.watches_.erase(watch_);
}

StopWatcher::Guard StopWatcher::watch(const KernelEnv& env, std::function<void()> stop) {
  std::lock_guard lock(mutex_);
  if (!thread_.joinable()) {
    try {
      thread_ = std::thread([this] { look(); });
    } catch (const std::system_error& error) {
      fail(ErrorCode::kOutOfMemory, "runtime",
           "the system gives no thread to watch a run ({}); raise the limit on threads or memory (ulimit)",
           error.what());
    }
  }
  watches_.push_back({env, std::move(stop)});
  if (watches_.size() == 1) changed_.notify_one();
  return {*this, std::prev(watches_.end())};
}

void StopWatcher::look() {
  name_thread("oag-stop");
  std::unique_lock lock(mutex_);
  while (!ending_) {
    if (watches_.empty()) {
      changed_.wait(lock);
      continue;
    }
    for (const Watch& each : watches_) {
      if (each.env.should_stop()) each.stop();
    }
    changed_.wait_for(lock, kLookEvery);
  }
}

}  // namespace oag
