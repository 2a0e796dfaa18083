#include "engine/session/runtime.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>

#include "base/error.h"
#include "base/log.h"
#include "engine/device/device_name.h"

namespace oag {

// Submitted work, highest priority first.
struct Runtime::Queue {
  struct Pending {
    int priority;
    uint64_t id;
    std::function<void()> work;
    std::optional<TimePoint> deadline;
    std::function<void()> expire;
  };
  std::mutex mutex;
  std::condition_variable changed;
  std::condition_variable deadlines_changed;
  std::deque<Pending> pending;
  uint64_t next_id = 0;
  size_t idle_drivers = 0;
  size_t working = 0;  // drivers that run something
  bool stopping = false;

  // Of what waits; the latest time there is when nothing has one.
  TimePoint next_deadline() const {
    TimePoint next = TimePoint::max();
    for (const Pending& each : pending) next = std::min(next, each.deadline.value_or(next));
    return next;
  }
};

namespace {

// What was submitted deals with its own errors; what escapes all the same ends nothing else.
void run_guarded(const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& thrown) {
    log(LogLevel::kError, "submitted work threw: {}", thrown.what());
  } catch (...) {
    log(LogLevel::kError, "submitted work threw");
  }
}

// Waits for a thread to end; the calling thread itself is left to end once its caller returns.
void end_thread(std::thread& thread) {
  if (!thread.joinable()) return;
  if (thread.get_id() == std::this_thread::get_id()) {
    thread.detach();
  } else {
    thread.join();
  }
}

void check_engine_device(const DeviceName& wanted, const std::string& text) {
  if ((wanted.device.empty() || wanted.device == "cpu") && wanted.variant.empty()) return;
  fail(ErrorCode::kUnsupported, "device " + text, "{} is used on the processor alone; write {}",
       wanted.engine, wanted.engine);
}

// "1.32" is every 1.32.x.
void check_version(const Device& engine, const std::string& wanted) {
  const std::string name(engine.name());
  const std::string seen = name.substr(name.find('@') + 1);
  if (seen == wanted || seen.starts_with(wanted + ".")) return;
  fail(ErrorCode::kUnsupported, name.substr(0, name.find('@')),
       "version {} is asked for, its library is of {}", wanted, seen);
}

}  // namespace

Runtime::Runtime(const RuntimeOptions& options)
    : pool_(std::make_shared<ComputePool>(options.threads)),
      queue_(std::make_shared<Queue>()),
      max_drivers_(static_cast<size_t>(std::max(1, options.max_runs))),
      max_queued_(static_cast<size_t>(std::max(0, options.max_queued))) {
  DeviceName wanted = parse_device_name(options.device);
  if (wanted.engine == "oag" && !wanted.version.empty())
    fail(ErrorCode::kUnsupported, "device " + options.device, "the engine oag has no other versions here");
  for (const Backend* backend : options.backends) {
    if (backend->open_engine != nullptr) engine_backends_.push_back(backend);
  }
  if (wanted.engine != "oag") {
    check_engine_device(wanted, options.device);
    engine_ = wanted.engine;
    engine_version_ = wanted.version;
    open_engine(engine_);
    wanted = {};
  }
  std::string known;
  for (const Backend* backend : options.backends) {
    if (backend->open == nullptr) continue;
    known += (known.empty() ? "" : ", ") + std::string(backend->name);
    if (!wanted.device.empty() && wanted.device != backend->name) continue;
    devices_.push_back(backend->open(wanted.variant, pool_));
  }
  if (devices_.empty()) {
    fail(ErrorCode::kNotFound, "device " + options.device, "is not one of this build's devices: {}", known);
  }
}

std::shared_ptr<GraphDevice> Runtime::open_engine(const std::string& name) {
  std::lock_guard lock(engines_mutex_);
  std::shared_ptr<GraphDevice>& engine = engines_[name];
  if (engine) return engine;
  const auto backend = std::ranges::find(engine_backends_, name, &Backend::name);
  if (backend == engine_backends_.end()) {
    std::string known = "oag";
    for (const Backend* each : engine_backends_) known += ", " + std::string(each->name);
    fail(ErrorCode::kNotFound, "engine " + name, "is not one of this build's engines: {}", known);
  }
  std::shared_ptr<GraphDevice> opened = (*backend)->open_engine(pool_->threads());
  if (name == engine_ && !engine_version_.empty()) check_version(*opened, engine_version_);
  engine = std::move(opened);
  return engine;
}

Runtime::~Runtime() {
  {
    std::lock_guard lock(queue_->mutex);
    queue_->stopping = true;
  }
  queue_->changed.notify_all();
  queue_->deadlines_changed.notify_all();
  // One of them may be at work that dropped this Runtime.
  for (std::thread& driver : drivers_) end_thread(driver);
  end_thread(watch_);
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

void Runtime::start_watch() {
  if (watch_.joinable()) return;
  try {
    watch_ = std::thread([queue = queue_] { watch_deadlines(queue); });
  } catch (const std::system_error& error) {
    fail(ErrorCode::kOutOfMemory, "runtime",
         "the system gives no thread to watch deadlines ({}); raise the limit on threads or memory (ulimit)",
         error.what());
  }
}

Runtime::Ticket Runtime::enqueue(int priority, std::function<void()> work, std::optional<TimePoint> deadline,
                                 std::function<void()> expire) {
  uint64_t id = 0;
  {
    std::lock_guard lock(queue_->mutex);
    auto& pending = queue_->pending;
    if (queue_->stopping)
      fail(ErrorCode::kCancelled, "runtime", "is being taken down and takes no more runs");
    if (pending.size() + queue_->working >= max_drivers_ + max_queued_) {
      fail(ErrorCode::kBusy, "queue", "{} runs are at work and {} wait already; try again later",
           queue_->working, pending.size());
    }
    if (pending.size() >= queue_->idle_drivers && drivers_.size() < max_drivers_) start_driver();
    if (deadline) start_watch();
    const auto after = std::find_if(pending.begin(), pending.end(),
                                    [&](const Queue::Pending& other) { return other.priority < priority; });
    id = queue_->next_id++;
    pending.insert(after, {priority, id, std::move(work), deadline, std::move(expire)});
  }
  queue_->changed.notify_one();
  if (deadline) queue_->deadlines_changed.notify_one();
  return {queue_, id};
}

bool Runtime::Ticket::withdraw() const {
  const auto queue = queue_.lock();
  if (!queue) return false;
  std::function<void()> work, expire;  // what they hold is let go without the lock
  std::lock_guard lock(queue->mutex);
  const auto found = std::find_if(queue->pending.begin(), queue->pending.end(),
                                  [&](const Queue::Pending& other) { return other.id == id_; });
  if (found == queue->pending.end()) return false;
  work = std::move(found->work);
  expire = std::move(found->expire);
  queue->pending.erase(found);
  return true;
}

void Runtime::watch_deadlines(const std::shared_ptr<Queue>& queue) {
  std::unique_lock lock(queue->mutex);
  while (!queue->stopping) {  // then drivers take what is left, and runs look at their deadlines themselves
    const TimePoint next = queue->next_deadline();
    if (next == TimePoint::max()) {
      queue->deadlines_changed.wait(lock);
      continue;
    }
    if (Clock::now() < next) {
      queue->deadlines_changed.wait_until(lock, next);
      continue;
    }
    const auto expired = std::find_if(queue->pending.begin(), queue->pending.end(),
                                      [&](const Queue::Pending& each) { return each.deadline == next; });
    Queue::Pending taken = std::move(*expired);
    queue->pending.erase(expired);
    lock.unlock();
    taken.work = nullptr;
    if (taken.expire) run_guarded(taken.expire);
    taken.expire = nullptr;
    lock.lock();
  }
}

void Runtime::drive(const std::shared_ptr<Queue>& queue) {
  std::unique_lock lock(queue->mutex);
  for (;;) {
    ++queue->idle_drivers;
    queue->changed.wait(lock, [&] { return queue->stopping || !queue->pending.empty(); });
    --queue->idle_drivers;
    if (queue->pending.empty()) return;  // stopping, and nothing is left to finish
    Queue::Pending taken = std::move(queue->pending.front());
    queue->pending.pop_front();
    ++queue->working;
    lock.unlock();
    run_guarded(taken.work);
    taken.work = nullptr;  // what they hold is let go without the lock
    taken.expire = nullptr;
    lock.lock();
    --queue->working;
  }
}

}  // namespace oag
