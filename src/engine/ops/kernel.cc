#include "engine/ops/kernel.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "engine/tensor/container.h"

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
  } else {
    copy_elements(view, out);
  }
}

bool KernelContext::run_body(std::string_view attribute, std::span<const Tensor> inputs,
                             std::vector<Tensor>& outputs) const {
  if (bodies_ == nullptr) refuse("its {} cannot be run here: it was not compiled", attribute);
  if (!bodies_->run(attribute, inputs, outputs)) return false;
  for (Tensor& output : outputs) {
    const bool shared =
        std::ranges::any_of(inputs, [&](const Tensor& input) { return input.buffer() == output.buffer(); });
    if (shared) output = deep_copy(output);
  }
  return true;
}

void KernelContext::refuse_line(const std::string& message) const {
  fail(ErrorCode::kInvalidArgument, fmt::format("node {} ({})", node_.name, node_.full_op()), "{}", message);
}

}  // namespace oag
