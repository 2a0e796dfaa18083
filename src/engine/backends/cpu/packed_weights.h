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

  const PackedRows& rows() const { return rows_; }
  int64_t panels() const { return panels_; }
  size_t size_bytes() const { return buffer_->size_bytes(); }

 private:
  PackedRows rows_;
  int64_t panels_;
  std::shared_ptr<Buffer> buffer_;
};

}  // namespace oag::cpu
