#pragma once

#include "engine/backends/cpu/matrix_product.h"
#include "engine/ops/kernel.h"

namespace oag::cpu {

// What oag.FusedConv does to the output of its convolution, while that is still in a cache; nothing for Conv.
class ConvFinish {
 public:
  // After output 0 was allocated. Errors: kInvalidArgument when z has not its dims.
  ConvFinish(const KernelContext& context, const MicroKernels& micro);

  bool needed() const { return activation_ != Activation::kNone || z_ != nullptr || scales_; }
  // For `count` neighbouring elements of the output, once.
  void apply(float* y, int64_t count) const;

 private:
  enum class Activation { kNone, kElement, kPlain };
  void choose(const KernelContext& context, const MicroKernels& micro);
  void choose(const MicroKernels& micro, ElementOp op, float a, float b);

  const MicroKernels& micro_;
  const float* y_;
  const float* z_ = nullptr;
  Activation activation_ = Activation::kNone;
  MicroKernels::Element element_ = nullptr;
  float a_ = 0, b_ = 0;
  void (*plain_)(const float* x, int64_t count, float* y) = nullptr;
  bool scales_ = false;
  float scale_ = 1, shift_ = 0;
};

}  // namespace oag::cpu
