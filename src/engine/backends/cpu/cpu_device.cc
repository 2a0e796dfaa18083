#include "engine/backends/cpu/cpu_device.h"

#include <unistd.h>

#include <fstream>
#include <string>

#include "base/free_memory.h"
#include "engine/backends/cpu/cpu_env.h"
#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/backends/cpu/machine_limits.h"
#include "engine/backends/cpu/micro_kernels.h"

namespace oag::cpu {

#define OAG_KERNEL(descriptor) extern const KernelImpl descriptor;
#include "engine/backends/cpu/kernel_list.inc"
#undef OAG_KERNEL

namespace {

class CpuEvent final : public Event {
 public:
  bool done() const override { return true; }
  bool wait(std::optional<TimePoint>) const override { return true; }
  TimePoint time() const override { return time_; }

 private:
  TimePoint time_ = Clock::now();
};

class CpuStream final : public Stream {
 public:
  CpuStream(std::shared_ptr<ComputePool> pool, const RunControl& control)
      : pool_(std::move(pool)), env_(*pool_, control) {}

  void submit(const Kernel& kernel, KernelContext& context) override {
    kernel.run(context);
    env_.reset();
  }
  std::unique_ptr<Event> record() override { return std::make_unique<CpuEvent>(); }
  KernelEnv& env() override { return env_; }

 private:
  std::shared_ptr<ComputePool> pool_;
  CpuEnv env_;
};

std::vector<const KernelImpl*> kernel_list() {
  return {
#define OAG_KERNEL(descriptor) &descriptor,
#include "engine/backends/cpu/kernel_list.inc"
#undef OAG_KERNEL
  };
}

std::string processor_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "processor";
}

uint64_t meminfo_bytes(std::string_view key) {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(key)) return std::stoull(line.substr(line.find_first_of("0123456789"))) * 1024;
  }
  return 0;
}

DeviceProperties describe(Isa isa, int threads) {
  DeviceProperties properties;
  properties.name = "oag/cpu:" + std::string(isa_name(isa));
  properties.description =
      processor_model() + ", " + std::to_string(threads) + (threads == 1 ? " thread" : " threads");
#if defined(__x86_64__)
  properties.architecture = "x86-64";
#elif defined(__aarch64__)
  properties.architecture = "aarch64";
#endif
  for (const Isa available : available_isas()) properties.variants.emplace_back(isa_name(available));
  properties.memory_bytes = meminfo_bytes("MemTotal");
  properties.free_memory_bytes = free_memory_bytes().value_or(0);
  properties.compute_units = threads;
  return properties;
}

std::shared_ptr<Device> open_cpu(std::string_view variant, std::shared_ptr<ComputePool> pool) {
  return std::make_shared<CpuDevice>(choose_isa(variant), std::move(pool));
}

std::vector<DeviceProperties> discover_cpu() {
  return {describe(choose_isa(""), static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)))};
}

}  // namespace

CpuDevice::CpuDevice(Isa isa, std::shared_ptr<ComputePool> pool)
    : isa_(isa),
      properties_(describe(isa, pool->threads())),
      pool_(std::move(pool)),
      state_(new CpuState{micro_kernels(isa), *pool_}),
      kernels_(kernel_list(), state_.get()) {}

CpuDevice::~CpuDevice() = default;

std::optional<uint64_t> CpuDevice::free_memory_bytes() const {
  return oag::free_memory_bytes();
}

std::unique_ptr<Stream> CpuDevice::make_stream(const RunControl& control) {
  return std::make_unique<CpuStream>(pool_, control);
}

MachineLimits CpuDevice::measure_limits() {
  return measure_machine_limits(isa_, *pool_);
}

bool CpuDevice::has_kernel(std::string_view domain, std::string_view op,
                           std::span<const DType> inputs) const {
  Graph graph;
  Node node{std::string(domain), std::string(op), "query", {}, {}, {}};
  for (const DType dtype : inputs)
    node.inputs.push_back(graph.add_value("", ValueType::tensor(dtype, std::nullopt)));
  return kernels_.choose({graph, node}).winner != nullptr;
}

extern constinit const Backend kCpuBackend = {"cpu", open_cpu, discover_cpu};

}  // namespace oag::cpu
