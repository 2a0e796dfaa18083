#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/compute_pool.h"
#include "engine/device/device.h"
#include "engine/device/graph_device.h"

namespace oag {

struct RuntimeOptions {
  std::span<const Backend* const> backends;  // what may be opened, in order of preference
  // "", "cpu", "oag/cpu:avx2"; empty takes the best of each backend. Another engine, "onnxruntime", is sent
  // whole ONNX models, and cpu computes what it does not take.
  std::string device;
  int threads = 0;        // of the compute pool, the caller's included; 0: every processor of this process
  int max_runs = 64;      // submitted runs at work at once; more wait by priority
  int max_queued = 1024;  // submitted runs that may wait; submits beyond are refused
};

// Everything that is mutable and shared: devices, the compute pool, the threads that drive submitted runs.
// Two Runtimes in one process do not see each other.
class Runtime {
 public:
  // Errors: kUnsupported or kInvalidArgument when the device is not there, naming those that are.
  explicit Runtime(const RuntimeOptions& options);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  std::span<const std::shared_ptr<Device>> devices() const { return devices_; }
  ComputePool& pool() const { return *pool_; }

  // The engine that models are sent to; empty for this one.
  const std::string& engine() const { return engine_; }
  // Another engine, opened when it is first asked for. Errors: kUnsupported with why it is not available;
  // kNotFound when this build has no such engine.
  std::shared_ptr<GraphDevice> open_engine(const std::string& name);

  // What was queued.
  class Ticket;

  // Runs `work` on a driver thread, higher priority first, then in order of arrival. Work that still waits at
  // its deadline leaves the queue, and `expire` runs in its place. Errors: kBusy when max_queued wait
  // already; kCancelled once the Runtime is being taken down; kOutOfMemory when there is no thread yet and
  // the system gives none. After an error nothing is queued.
  Ticket enqueue(int priority, std::function<void()> work, std::optional<TimePoint> deadline = {},
                 std::function<void()> expire = nullptr);

 private:
  std::shared_ptr<ComputePool> pool_;
  std::vector<std::shared_ptr<Device>> devices_;
  std::vector<const Backend*> engine_backends_;
  std::string engine_, engine_version_;
  std::mutex engines_mutex_;
  std::map<std::string, std::shared_ptr<GraphDevice>> engines_;

  struct Queue;
  static void drive(const std::shared_ptr<Queue>& queue);
  static void watch_deadlines(const std::shared_ptr<Queue>& queue);
  void start_driver();
  void start_watch();

  std::shared_ptr<Queue>
      queue_;  // shared with the drivers: one of them may drop the last reference to the Runtime
  std::vector<std::thread> drivers_;  // guarded by the queue's mutex
  std::thread watch_;                 // likewise; of deadlines, started for the first one
  size_t max_drivers_, max_queued_;
};

// Outlives its Runtime without harm.
class Runtime::Ticket {
 public:
  Ticket() = default;

  // Takes the work out of the queue; false when a driver has it already, or it has expired. After true
  // neither it nor `expire` runs.
  bool withdraw() const;

 private:
  friend class Runtime;
  Ticket(std::weak_ptr<Queue> queue, uint64_t id) : queue_(std::move(queue)), id_(id) {}

  std::weak_ptr<Queue> queue_;
  uint64_t id_ = 0;
};

}  // namespace oag
