#pragma once

#include <span>
#include <vector>

#include "engine/backends/cpu/micro_kernels.h"
#include "engine/device/kernel_table.h"
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

// The weights of a node with several matrices: packed once where all are constants, else for each run.
class PackedMatrices {
 public:
  // Inputs first, first + step, … of a node are its matrices, all of block formats. `micro` outlives it.
  PackedMatrices(const MicroKernels& micro, const KernelQuery& query, size_t first, size_t step);

  // As Kernel's.
  size_t packed_bytes() const;
  void prepare(KernelEnv& env, std::span<std::byte> packed);

  // The matrices of a run: those of prepare(), or the context's inputs, packed into its workspace and listed
  // in `room`.
  std::span<const PackedWeights> of(KernelContext& context, std::vector<PackedWeights>& room) const;

 private:
  const MicroKernels& micro_;
  size_t first_, step_;
  std::vector<Tensor> stored_;  // when all are constants
  std::vector<PackedWeights> packed_;
};

}  // namespace oag::cpu
