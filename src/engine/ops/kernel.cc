#include "engine/ops/kernel.h"

#include <utility>

namespace oag {

Tensor& KernelContext::allocate_output(size_t i, DType dtype, Dims dims) const {
  Tensor& out = outputs_[i];
  if (!out.defined() || out.dtype() != dtype || out.dims() != dims) out = Tensor::host(dtype, std::move(dims));
  return out;
}

}  // namespace oag
