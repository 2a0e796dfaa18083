#include "engine/ops/kernel.h"

#include <cstring>
#include <utility>

#include "base/error.h"

namespace oag {

Tensor& KernelContext::allocate_output(size_t i, DType dtype, Dims dims) const {
  Tensor& out = outputs_[i];
  if (!out.defined() || out.dtype() != dtype || out.dims() != dims)
    out = Tensor::host(dtype, std::move(dims));
  return out;
}

void KernelContext::view_output(size_t i, const Tensor& input, Dims dims) const {
  Tensor& out = outputs_[i];
  Tensor view = input.reshaped(std::move(dims));
  if (!out.defined() || out.dtype() != view.dtype() || out.dims() != view.dims()) {
    out = std::move(view);
  } else if (out.data() != view.data() && view.size_bytes() > 0) {
    std::memcpy(out.data(), view.data(), view.size_bytes());
  }
}

void KernelContext::refuse_line(const std::string& message) const {
  fail(ErrorCode::kInvalidArgument, fmt::format("node {} ({})", node_.name, node_.full_op()), "{}", message);
}

}  // namespace oag
