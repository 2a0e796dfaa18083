#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/compute_pool.h"
#include "base/run_control.h"
#include "engine/device/kernel_table.h"
#include "engine/ops/target_traits.h"
#include "engine/tensor/tensor.h"

namespace oag {

// One of a device's variants: what this build has, what this machine has, and what can be trusted.
struct VariantState {
  std::string name;        // "avx512"
  bool supported = false;  // by this machine
  std::string wrong;       // what failed in its self-test; empty when it passed, or is not supported
  bool used = false;       // when no variant is named
};

// What a device says of itself, for `oag devices` and for choosing.
struct DeviceProperties {
  std::string name;                          // "oag/cpu:avx2"
  std::string description;                   // "AMD EPYC, 2 threads"
  std::string architecture;                  // "x86-64", "sm_90a"
  std::string identity;                      // of the hardware, for what is remembered of its speed
  std::vector<std::string> variants;         // what may follow the colon
  std::vector<VariantState> variant_states;  // every compiled one; only in Backend::discover()
  std::string unusable;                      // why it cannot be opened without a variant; else empty
  uint64_t memory_bytes = 0;
  uint64_t free_memory_bytes = 0;  // when this was asked; 0 when it is not known
  int compute_units = 0;
};

// A point in a stream's work.
class Event {
 public:
  virtual ~Event() = default;
  virtual bool done() const = 0;                                   // never blocks
  virtual bool wait(std::optional<TimePoint> deadline) const = 0;  // false when the deadline came first
  virtual TimePoint time() const = 0;                              // when it was reached; only once done()
};

// An ordered queue of kernels on one device, on behalf of one run. Not thread safe.
class Stream {
 public:
  virtual ~Stream() = default;
  // Queues one kernel. On a device that computes inline it returns once the kernel has run. The kernel looks
  // at the run's control; what it leaves after a stop is garbage.
  virtual void submit(const Kernel& kernel, KernelContext& context) = 0;
  // A hint: the kernel after the next one submitted will read all of `bytes`.
  virtual void expect_reads(std::span<const std::byte> /*bytes*/) {}
  virtual std::unique_ptr<Event> record() = 0;
  virtual KernelEnv& env() = 0;
};

// What a device can do at best: what a kernel's speed is measured against.
struct MachineLimits {
  double bandwidth_gb_s = 0;  // reading memory; 10^9 bytes
  double f32_gflop_s = 0;     // two operations per multiply-add
  double int8_gop_s = 0;
};

class Device : public TargetTraits {
 public:
  virtual const DeviceProperties& properties() const = 0;
  std::string_view name() const { return properties().name; }

  // What allocations can take now; nothing when that is not known. Takes well under a millisecond.
  virtual std::optional<uint64_t> free_memory_bytes() const = 0;
  // Errors: kOutOfMemory with what was asked for and what is free.
  virtual std::shared_ptr<Buffer> allocate(size_t size_bytes) = 0;
  virtual bool host_memory() const = 0;  // whether host code may read its buffers
  virtual std::unique_ptr<Stream> make_stream(const RunControl& control) = 0;
  virtual const KernelTable& kernels() const = 0;
  // Measures; takes seconds. Errors: kOutOfMemory.
  virtual MachineLimits measure_limits() = 0;
};

class GraphDevice;

// A backend turns a variant name into a device. One line per backend in backend_list.inc.
struct Backend {
  std::string_view name;  // "cpu"; of another engine, the engine's
  // The device for `variant` ("" for the best), or an Error saying why not. Null for other engines.
  std::shared_ptr<Device> (*open)(std::string_view variant, std::shared_ptr<ComputePool> pool);
  // Devices this machine has, for listing: one that cannot be opened too, so that it can be seen why.
  std::vector<DeviceProperties> (*discover)();
  // Of other engines: the device that computes whole graphs with `threads` threads. Errors: kUnsupported with
  // why the engine is not available and what to do.
  std::shared_ptr<GraphDevice> (*open_engine)(int threads) = nullptr;
};

}  // namespace oag
