#include "engine/backends/cpu/micro_kernels.h"

namespace oag::cpu {

const MicroKernels& micro_kernels(Isa isa) {
  static constexpr MicroKernels kBaseline = {"baseline"};
  static constexpr MicroKernels kAvx2 = {"avx2"};
  return isa == Isa::kAvx2 ? kAvx2 : kBaseline;
}

}  // namespace oag::cpu
