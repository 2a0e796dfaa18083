#include "engine/backends/cpu/micro_kernels.h"

#include "engine/backends/cpu/isa.h"

namespace oag::cpu {

namespace baseline {
extern const MicroKernels kMicroKernels;
}
namespace avx2 {
extern const MicroKernels kMicroKernels;
}
namespace avx512 {
extern const MicroKernels kMicroKernels;
}
namespace neon {
extern const MicroKernels kMicroKernels;
}
namespace i8mm {
extern const MicroKernels kMicroKernels;
}

const MicroKernels& micro_kernels(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kAvx2: return avx2::kMicroKernels;
    case Isa::kAvx512: return avx512::kMicroKernels;
#elif defined(__aarch64__)
    case Isa::kNeon: return neon::kMicroKernels;
    case Isa::kI8mm: return i8mm::kMicroKernels;
#endif
    default: return baseline::kMicroKernels;
  }
}

}  // namespace oag::cpu
