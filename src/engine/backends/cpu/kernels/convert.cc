// Conversion of f32 to f16.
#include "engine/backends/cpu/kernels/functions.h"
#include "engine/backends/cpu/kernels/vec_math.h"

namespace oag::cpu::OAG_ISA {

void f16_from_f32(const float* from, int64_t count, uint16_t* to) {
  for_vectors(count, [&](int64_t i, int64_t n) {
    uint16_t halves[kLanes];
    store_f16(halves, load_at(from, i, n, 0.0f));
    memcpy(to + i, halves, static_cast<size_t>(n) * sizeof(uint16_t));
  });
}

}  // namespace oag::cpu::OAG_ISA
