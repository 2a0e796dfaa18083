#include "engine/session/runtime.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>

#include "base/error.h"
#include "engine/device/device_name.h"

namespace oag {

// Submitted work, highest priority first.
struct Runtime::Queue {
  struct Pending {
    int priority;
    uint64_t id;
    std::function<void()> work;
  };
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Pending> pending;
  uint64_t next_id = 0;
  size_t idle_drivers = 0;
  size_t working = 0;  // drivers that run something
  bool stopping = false;
};

Runtime::Runtime(const RuntimeOptions& options)
    : pool_(std::make_shared<ComputePool>(options.threads)),
      queue_(std::make_shared<Queue>()),
      max_drivers_(static_cast<size_t>(std::max(1, options.max_runs))),
      max_queued_(static_cast<size_t>(std::max(0, options.max_queued))) {
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
    std::lock_guard lock(queue_->mutex);
    queue_->stopping = true;
  }
  queue_->changed.notify_all();
  for (std::thread& driver : drivers_) {
    if (driver.get_id() == std::this_thread::get_id()) {
      driver.detach();  // it ends by itself once the work that dropped this Runtime returns
    } else {
      driver.join();
    }
  }
}

void Runtime::start_driver() {
  try {
    drivers_.emplace_back([queue = queue_] { drive(queue); });
  } catch (const std::system_error& error) {
    if (!drivers_.empty()) return;  // those that run will take the work
    fail(ErrorCode::kOutOfMemory, "runtime",
         "the system gives no thread for submitted runs ({}); raise the limit on threads or memory (ulimit)",
         error.what());
  }
}

Runtime::Ticket Runtime::enqueue(int priority, std::function<void()> work) {
  uint64_t id = 0;
  {
    std::lock_guard lock(queue_->mutex);
    auto& pending = queue_->pending;
    if (queue_->stopping)
      fail(ErrorCode::kCancelled, "runtime", "is being taken down and takes no more runs");
    if (pending.size() + queue_->working >= max_drivers_ + max_queued_) {
      fail(ErrorCode::kUnsupported, "queue", "{} runs are at work and {} wait already; try again later",
           queue_->working, pending.size());
    }
    if (pending.size() >= queue_->idle_drivers && drivers_.size() < max_drivers_) start_driver();
    const auto after = std::find_if(pending.begin(), pending.end(),
                                    [&](const Queue::Pending& other) { return other.priority < priority; });
    id = queue_->next_id++;
    pending.insert(after, {priority, id, std::move(work)});
  }
  queue_->changed.notify_one();
  return {queue_, id};
}

bool Runtime::Ticket::withdraw() const {
  const auto queue = queue_.lock();
  if (!queue) return false;
  std::function<void()> work;  // what it holds is let go without the lock
  std::lock_guard lock(queue->mutex);
  const auto found = std::find_if(queue->pending.begin(), queue->pending.end(),
                                  [&](const Queue::Pending& other) { return other.id == id_; });
  if (found == queue->pending.end()) return false;
  work = std::move(found->work);
  queue->pending.erase(found);
  return true;
}

void Runtime::drive(const std::shared_ptr<Queue>& queue) {
  std::unique_lock lock(queue->mutex);
  for (;;) {
    ++queue->idle_drivers;
    queue->changed.wait(lock, [&] { return queue->stopping || !queue->pending.empty(); });
    --queue->idle_drivers;
    if (queue->pending.empty()) return;  // stopping, and nothing is left to finish
    std::function<void()> work = std::move(queue->pending.front().work);
    queue->pending.pop_front();
    ++queue->working;
    lock.unlock();
    work();
    work = nullptr;  // what it holds is let go without the lock
    lock.lock();
    --queue->working;
  }
}

}  // namespace oag
