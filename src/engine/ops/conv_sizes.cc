#include "engine/ops/conv_sizes.h"

namespace oag {

ConvSizes::ConvSizes(const KernelContext& context, size_t weights)
    : groups(context.node().int_attribute("group", 1)) {
  const Tensor& x = context.input(0);
  const Tensor& w = context.input(weights);
  const bool fits = x.rank() >= 2 && w.rank() == x.rank() && groups >= 1 && x.dim(1) % groups == 0 &&
                    w.dim(0) % groups == 0 && w.dim(1) == x.dim(1) / groups;
  if (!fits)
    context.refuse("x {} and weights {} must be [N, C, spatial …] and [M, C / {}, kernel …]",
                   to_string(x.dims()), to_string(w.dims()), groups);
  const std::vector<int64_t> kernel(w.dims().begin() + 2, w.dims().end());
  if (context.node().has_attribute("kernel_shape") && context.node().ints_attribute("kernel_shape") != kernel)
    context.refuse("kernel_shape {} does not fit the weights {}",
                   to_string(context.node().ints_attribute("kernel_shape")), to_string(w.dims()));
  const Windows windows(context.node(), kernel);
  const Dims spatial = windows.spatial_counts(x.dims());
  axes = windows.settled(x.dims());
  out_dims = {x.dim(0), w.dim(0)};
  out_dims.insert(out_dims.end(), spatial.begin(), spatial.end());
}

void ConvSizes::check_channels(const KernelContext& context, size_t i) const {
  if (context.has_input(i) && context.input(i).dims() != Dims{out_dims[1]})
    context.refuse("input {} is {}; it must be [{}]", i, to_string(context.input(i).dims()), out_dims[1]);
}

}  // namespace oag
