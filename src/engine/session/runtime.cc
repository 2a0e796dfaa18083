#include "engine/session/runtime.h"

#include <algorithm>

#include "base/error.h"
#include "engine/device/device_name.h"

namespace oag {

Runtime::Runtime(const RuntimeOptions& options)
    : pool_(std::make_shared<ComputePool>(options.threads)),
      max_drivers_(static_cast<size_t>(std::max(1, options.max_runs))) {
  const DeviceName wanted = parse_device_name(options.device);
  if (wanted.engine != "oag" || !wanted.version.empty()) {
    fail(ErrorCode::kUnsupported, "device " + options.device,
         "this build computes with the engine oag alone");
  }
  std::string known;
  for (const Backend* backend : options.backends) {
    known += (known.empty() ? "" : ", ") + std::string(backend->name);
    if (!wanted.device.empty() && wanted.device != backend->name) continue;
    devices_.push_back(backend->open(wanted.variant, pool_));
  }
  if (devices_.empty()) {
    fail(ErrorCode::kNotFound, "device " + options.device, "is not one of this build's devices: {}", known);
  }
}

Runtime::~Runtime() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& driver : drivers_) driver.join();
}

void Runtime::enqueue(int priority, std::function<void()> work) {
  {
    std::lock_guard lock(mutex_);
    const auto after = std::find_if(pending_.begin(), pending_.end(),
                                    [&](const Pending& other) { return other.priority < priority; });
    pending_.insert(after, {priority, std::move(work)});
    if (pending_.size() > idle_drivers_ && drivers_.size() < max_drivers_)
      drivers_.emplace_back([this] { drive(); });
  }
  changed_.notify_one();
}

void Runtime::drive() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_drivers_;
    changed_.wait(lock, [&] { return stopping_ || !pending_.empty(); });
    --idle_drivers_;
    if (pending_.empty()) return;  // stopping, and nothing is left to finish
    const std::function<void()> work = std::move(pending_.front().work);
    pending_.pop_front();
    lock.unlock();
    work();
    lock.lock();
  }
}

}  // namespace oag
