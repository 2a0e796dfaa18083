#pragma once

#include <vector>

#include "engine/ops/kernel.h"
#include "engine/ops/schema.h"
#include "engine/ops/sliding_window.h"

namespace oag {

// A convolution of input 0 [N, C, spatial…] with input `weights` [M, C / group, kernel…].
struct ConvSizes {
  // Errors: kInvalidArgument, prefixed with node and operator, when the inputs do not fit.
  ConvSizes(const KernelContext& context, size_t weights);

  // Errors: kInvalidArgument when input i, of one value for each output channel, is not.
  void check_channels(const KernelContext& context, size_t i) const;

  int64_t groups;
  std::vector<WindowAxis> axes;
  Dims out_dims;
};

// The shape rule of Conv.
void infer_conv(InferenceContext& context);

}  // namespace oag
