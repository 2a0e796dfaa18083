#pragma once

#include "engine/backends/cpu/kernels/vec_math.h"

// Rows of f32, f16 and bf16 values as vectors of f32.
namespace oag::cpu::OAG_ISA {

struct LoadF32 {
  using Stored = float;
  static F of(const float* p) { return load(p); }
};
struct LoadF16 {
  using Stored = uint16_t;
  static F of(const uint16_t* p) { return load_f16(p); }
};
struct LoadBf16 {
  using Stored = uint16_t;
  static F of(const uint16_t* p) { return load_bf16(p); }
};

// at: kLanes values from i on. some: the same, 0 from `end` on.
template <typename Load>
struct FromStored {
  using Stored = typename Load::Stored;
  static F at(const char* row, int64_t i) { return Load::of(reinterpret_cast<const Stored*>(row) + i); }
  static F some(const char* row, int64_t i, int64_t end) {
    if (i + kLanes <= end) return at(row, i);
    Stored values[kLanes] = {};
    const char* from = row + i * static_cast<int64_t>(sizeof(Stored));
    if (i < end) memcpy(values, from, static_cast<size_t>(end - i) * sizeof(Stored));
    return Load::of(values);
  }
};
using FromF32 = FromStored<LoadF32>;
using FromF16 = FromStored<LoadF16>;
using FromBf16 = FromStored<LoadBf16>;

}  // namespace oag::cpu::OAG_ISA
