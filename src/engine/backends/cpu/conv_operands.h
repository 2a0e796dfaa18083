#pragma once

#include "engine/backends/cpu/conv_finish.h"
#include "engine/backends/cpu/image_windows.h"
#include "engine/ops/conv_sizes.h"

namespace oag::cpu {

// What one run of Conv or oag.FusedConv reads and writes; output 0 is allocated.
struct ConvOperands {
  ConvOperands(const KernelContext& context, const ConvSizes& sizes, const MicroKernels& micro)
      : windows(context.input(0).dims(), sizes.out_dims, sizes.axes),
        batch(sizes.out_dims[0]),
        groups(sizes.groups),
        channels(context.input(1).dim(1)),
        outputs(sizes.out_dims[1] / sizes.groups),
        x(context.input(0).values<float>().data()),
        w(context.input(1).values<float>().data()),
        bias(context.has_input(2) ? context.input(2).values<float>().data() : nullptr),
        y(context.output(0).values<float>().data()),
        finish(context, micro) {}

  int64_t images() const { return batch * groups; }  // of all groups
  int64_t depth() const { return channels * windows.taps(); }
  const float* bias_of(int64_t output) const { return bias == nullptr ? nullptr : bias + output; }

  ImageWindows windows;
  int64_t batch, groups;
  int64_t channels, outputs;  // of a group
  const float* x;
  const float* w;
  const float* bias;
  float* y;
  ConvFinish finish;
};

}  // namespace oag::cpu
