#pragma once

#include <span>

#include "engine/backends/cpu/micro_kernels.h"
#include "engine/ops/kernel.h"
#include "engine/tensor/tensor.h"

namespace oag::cpu {

// A block-format matrix [rows, inputs] in the layout that packed_dot reads.
class PackedWeights {
 public:
  // Packs into `memory` of size_bytes(), on every thread that `env` has. Afterwards nothing reads `stored`,
  // whose pages may leave memory.
  PackedWeights(const MicroKernels& micro, const Tensor& stored, KernelEnv& env, std::span<std::byte> memory);

  // What packing takes. Errors: as tensor_bytes.
  static size_t size_bytes(const MicroKernels& micro, const Tensor& stored);

  const PackedRows& rows() const { return rows_; }
  int64_t panels() const { return panels_; }
  int64_t panel_bytes() const { return rows_.panel_bytes; }

 private:
  PackedRows rows_;
  int64_t panels_;
};

}  // namespace oag::cpu
