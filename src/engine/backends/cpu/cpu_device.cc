#include "engine/backends/cpu/cpu_device.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <mutex>
#include <string>

#include "base/error.h"
#include "base/free_memory.h"
#include "engine/backends/cpu/known_answers.h"
#include "engine/backends/cpu/machine_limits.h"
#include "engine/backends/cpu/micro_kernels.h"

namespace oag::cpu {

#define OAG_KERNEL(descriptor) extern const KernelImpl descriptor;
#include "engine/backends/cpu/kernel_list.inc"
#undef OAG_KERNEL

// Scratch memory of runs that have ended, for those to come.
class ScratchPool {
 public:
  std::shared_ptr<Buffer> take() {
    std::lock_guard lock(mutex_);
    if (kept_.empty()) return nullptr;
    std::shared_ptr<Buffer> block = std::move(kept_.back());
    kept_.pop_back();
    return block;
  }
  void give(std::shared_ptr<Buffer> block) {
    if (block == nullptr || block->size_bytes() > kMostBytes) return;
    std::lock_guard lock(mutex_);
    if (kept_.size() < kMostKept) kept_.push_back(std::move(block));
  }

 private:
  static constexpr size_t kMostKept = 4, kMostBytes = size_t{32} << 20;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Buffer>> kept_;
};

namespace {

class CpuEnv final : public KernelEnv {
 public:
  CpuEnv(ComputePool& pool, std::shared_ptr<ScratchPool> scratch, const RunControl& control)
      : pool_(pool),
        control_(control),
        scratch_(std::move(scratch)),
        block_(scratch_->take()),
        grown_bytes_(block_ == nullptr ? 0 : block_->size_bytes()) {}
  ~CpuEnv() override { scratch_->give(std::move(block_)); }
  CpuEnv(const CpuEnv&) = delete;
  CpuEnv& operator=(const CpuEnv&) = delete;

  bool parallel_for(int64_t tiles, int64_t ns_per_tile, FunctionRef<void(int64_t, int)> tile) override {
    return pool_.parallel_for(control_, tiles, ns_per_tile, tile);
  }
  int workers() const override { return pool_.threads(); }
  bool should_stop() const override { return control_.should_stop(); }

  std::byte* workspace(size_t size_bytes) override {
    constexpr size_t kAlign = 64;
    const size_t wanted = (size_bytes + kAlign - 1) / kAlign * kAlign;
    if (block_ == nullptr || used_ + wanted > block_->size_bytes()) {
      if (block_ != nullptr) outgrown_.push_back(std::move(block_));
      grown_bytes_ = std::max(wanted, 2 * grown_bytes_);
      block_ = allocate_host(grown_bytes_);
      used_ = 0;
    }
    std::byte* piece = block_->data() + used_;
    used_ += wanted;
    return piece;
  }

  // Between kernels: scratch is free again. What was outgrown is dropped, so one block serves the steady
  // state.
  void reset() {
    used_ = 0;
    outgrown_.clear();
  }

 private:
  ComputePool& pool_;
  const RunControl& control_;
  std::shared_ptr<ScratchPool> scratch_;
  std::shared_ptr<Buffer> block_;
  size_t grown_bytes_;
  std::vector<std::shared_ptr<Buffer>> outgrown_;
  size_t used_ = 0;
};

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
  CpuStream(std::shared_ptr<ComputePool> pool, std::shared_ptr<ScratchPool> scratch,
            const RunControl& control)
      : pool_(std::move(pool)), env_(*pool_, std::move(scratch), control) {}

  void submit(const Kernel& kernel, KernelContext& context) override {
    kernel.run(context);
    env_.reset();
  }
  void expect_reads(std::span<const std::byte> bytes) override { pool_->expect_reads(bytes); }
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

DeviceProperties describe(int threads) {
  DeviceProperties properties;
  properties.name = "oag/cpu";
  properties.description =
      processor_model() + ", " + std::to_string(threads) + (threads == 1 ? " thread" : " threads");
#if defined(__x86_64__)
  properties.architecture = "x86-64";
#elif defined(__aarch64__)
  properties.architecture = "aarch64";
#endif
  properties.identity = processor_identity();
  for (const Isa available : available_isas()) properties.variants.emplace_back(isa_name(available));
  properties.memory_bytes = meminfo_bytes("MemTotal");
  properties.free_memory_bytes = free_memory_bytes().value_or(0);
  properties.compute_units = threads;
  return properties;
}

DeviceProperties describe(Isa isa, int threads) {
  DeviceProperties properties = describe(threads);
  properties.name += ":" + std::string(isa_name(isa));
  return properties;
}

std::shared_ptr<Device> open_cpu(std::string_view variant, std::shared_ptr<ComputePool> pool) {
  return std::make_shared<CpuDevice>(choose_isa(variant), std::move(pool));
}

std::vector<DeviceProperties> discover_cpu() {
  return {describe_processor([](Isa isa) { return wrong_kernel(micro_kernels(isa)); })};
}

}  // namespace

DeviceProperties describe_processor(SelfTest test) {
  DeviceProperties properties = describe(static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)));
  const std::vector<Isa> available = available_isas();
  for (const Isa isa : compiled_isas()) {
    const bool supported = std::find(available.begin(), available.end(), isa) != available.end();
    properties.variant_states.push_back({std::string(isa_name(isa)), supported,
                                         std::string(supported ? test(isa) : std::string_view()), false});
  }
  const auto state_of = [&](Isa isa) -> VariantState& {
    return *std::find_if(properties.variant_states.begin(), properties.variant_states.end(),
                         [&](const VariantState& state) { return state.name == isa_name(isa); });
  };
  try {
    VariantState& chosen =
        state_of(choose_isa("", [&](Isa isa) -> std::string_view { return state_of(isa).wrong; }));
    chosen.used = true;
    properties.name += ":" + chosen.name;
  } catch (const Error& error) {
    properties.unusable = error.what();
  }
  return properties;
}

CpuDevice::CpuDevice(Isa isa, std::shared_ptr<ComputePool> pool)
    : isa_(isa),
      properties_(describe(isa, pool->threads())),
      pool_(std::move(pool)),
      scratch_(std::make_shared<ScratchPool>()),
      kernels_(kernel_list(), &micro_kernels(isa)) {}

std::optional<uint64_t> CpuDevice::free_memory_bytes() const {
  return oag::free_memory_bytes();
}

std::unique_ptr<Stream> CpuDevice::make_stream(const RunControl& control) {
  return std::make_unique<CpuStream>(pool_, scratch_, control);
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
