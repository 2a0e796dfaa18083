#pragma once

#include <span>

#include "engine/backends/cpu/micro_kernels.h"
#include "engine/backends/cpu/split_panel.h"
#include "engine/ops/kernel.h"
#include "engine/tensor/tensor.h"

namespace oag::cpu {

// A q8_0 matrix in two planes, with what a product with the upper one alone may be wrong by.
class SplitWeights {
 public:
  // Packs into `memory` of size_bytes(), as PackedWeights does.
  SplitWeights(const MicroKernels& micro, const Tensor& stored, KernelEnv& env, std::span<std::byte> memory);
  static size_t size_bytes(const MicroKernels& micro, const Tensor& stored);

  int64_t rows() const { return rows_; }
  int64_t inputs() const { return inputs_; }
  int64_t panels() const { return panels_; }
  // y[t * lanes + r] for the rows of a panel, the last one's filled up with zeros.
  void dot(int64_t panel, const uint8_t* tile, int tokens, float* y) const {
    run(panel, true, tile, tokens, y);
  }
  // The same from the upper plane: no further from dot() than error(row) times the 2-norm of the activations.
  void estimate(int64_t panel, const uint8_t* tile, int tokens, float* y) const {
    run(panel, false, tile, tokens, y);
  }
  std::span<const float> errors() const { return {errors_, static_cast<size_t>(panels_ * lanes_)}; }

 private:
  void run(int64_t panel, bool both, const uint8_t* tile, int tokens, float* y) const;
  void split_panel(const uint8_t* packed, int64_t panel);

  SplitDot dot_;
  int lanes_;
  int64_t rows_, inputs_, panels_;
  uint8_t *high_, *low_;
  float* errors_;
};

// At least the 2-norm of token `t` of an activation tile; NaN when a value is.
float activation_norm(const uint8_t* tile, int tokens, int t, int64_t inputs);

}  // namespace oag::cpu
