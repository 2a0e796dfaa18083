#pragma once

#include <memory>

#include "engine/backends/cpu/micro_kernels.h"
#include "engine/device/kernel_table.h"

namespace oag::cpu {

// A kernel without state of its own: a function over the context and the inner loops of the chosen
// instruction set.
using CpuFunction = void (*)(const KernelContext& context, const MicroKernels& micro);

class CpuFunctionKernel final : public Kernel {
 public:
  CpuFunctionKernel(CpuFunction function, const MicroKernels& micro) : function_(function), micro_(micro) {}
  void run(KernelContext& context) const override { function_(context, micro_); }

 private:
  CpuFunction function_;
  const MicroKernels& micro_;
};

// The `make` of such a kernel's KernelImpl.
template <CpuFunction kFunction>
std::unique_ptr<Kernel> make_kernel(const KernelQuery&, const void* device_state) {
  return std::make_unique<CpuFunctionKernel>(kFunction, *static_cast<const MicroKernels*>(device_state));
}

}  // namespace oag::cpu
