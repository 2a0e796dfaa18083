#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/compute_pool.h"
#include "engine/device/device.h"

namespace oag {

struct RuntimeOptions {
  std::span<const Backend* const> backends;  // what may be opened, in order of preference
  std::string device;  // "", "cpu", "oag/cpu:avx2"; empty takes the best of each backend
  int threads = 0;     // of the compute pool, the caller's included; 0: every processor of this process
  int max_runs = 64;   // submitted runs at work at once; more wait by priority
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

  // Runs `work` on a driver thread, higher priority first, then in order of arrival.
  void enqueue(int priority, std::function<void()> work);

 private:
  std::shared_ptr<ComputePool> pool_;
  std::vector<std::shared_ptr<Device>> devices_;

  struct Queue;
  static void drive(const std::shared_ptr<Queue>& queue);

  std::shared_ptr<Queue>
      queue_;  // shared with the drivers: one of them may drop the last reference to the Runtime
  std::vector<std::thread> drivers_;  // guarded by the queue's mutex
  size_t max_drivers_;
};

}  // namespace oag
