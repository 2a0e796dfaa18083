#pragma once

#include <memory>

#include "engine/backends/cpu/micro_kernels.h"
#include "engine/ops/kernel.h"
#include "engine/tensor/tensor.h"

namespace oag::cpu {

// A block-format matrix [rows, inputs] in the layout that packed_dot reads.
class PackedWeights {
 public:
  // Packs on every thread that `env` has. Afterwards nothing reads `stored`, whose pages may leave memory.
  // Errors: kOutOfMemory.
  PackedWeights(const MicroKernels& micro, const Tensor& stored, KernelEnv& env);

  // What packing takes. Errors: as tensor_bytes.
  static size_t size_bytes(const MicroKernels& micro, const Tensor& stored);

  const PackedRows& rows() const { return rows_; }
  int64_t panels() const { return panels_; }
  int64_t panel_bytes() const { return rows_.record_bytes * (rows_.inputs / 32); }

 private:
  PackedRows rows_;
  int64_t panels_;
  std::shared_ptr<Buffer> buffer_;
};

}  // namespace oag::cpu
