#pragma once

#include <memory>
#include <string_view>

#include "engine/backends/cpu/isa.h"
#include "engine/device/device.h"

namespace oag::cpu {

struct MicroKernels;
class ScratchPool;

// The processor as a device: host memory, kernels of one instruction set, parallel regions on the Runtime's
// pool.
class CpuDevice final : public Device {
 public:
  CpuDevice(Isa isa, std::shared_ptr<ComputePool> pool);

  Isa isa() const { return isa_; }
  const DeviceProperties& properties() const override { return properties_; }
  std::optional<uint64_t> free_memory_bytes() const override;
  std::shared_ptr<Buffer> allocate(size_t size_bytes) override { return allocate_host(size_bytes); }
  bool host_memory() const override { return true; }
  std::unique_ptr<Stream> make_stream(const RunControl& control) override;
  const KernelTable& kernels() const override { return kernels_; }
  MachineLimits measure_limits() override;
  bool has_kernel(std::string_view domain, std::string_view op, std::span<const DType> inputs) const override;

 private:
  Isa isa_;
  DeviceProperties properties_;
  std::shared_ptr<ComputePool> pool_;
  std::shared_ptr<ScratchPool> scratch_;
  KernelTable kernels_;
};

// The processor as `oag devices` lists it, each available instruction set tested once by `test`. What cannot
// be used is listed all the same, with the reason in `unusable`.
DeviceProperties describe_processor(SelfTest test);

// "cpu" with variant "", "baseline", "avx2", … Errors: kUnsupported when this machine lacks the instruction
// set.
extern const Backend kCpuBackend;

}  // namespace oag::cpu
