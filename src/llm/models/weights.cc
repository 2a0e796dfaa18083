#include "llm/models/weights.h"

#include "base/error.h"

namespace oag {

std::optional<Tensor> Weights::find(std::string_view name, const Dims& dims) const {
  const GgufTensor* tensor = file_->find_tensor(name);
  if (tensor == nullptr) return std::nullopt;
  if (tensor->dims != dims) {
    fail(ErrorCode::kCorruptData, file_->where(), "tensor {} is {}, expected {}", name,
         to_string(tensor->dims), to_string(dims));
  }
  return Tensor(tensor->dtype, dims, wrap_host(tensor->bytes, file_, tensor->file));
}

Tensor Weights::get(std::string_view name, const Dims& dims) const {
  auto tensor = find(name, dims);
  if (!tensor) {
    fail(ErrorCode::kNotFound, file_->where(),
         "tensor {} {} is missing; the file is incomplete or of another architecture", name, to_string(dims));
  }
  return *std::move(tensor);
}

}  // namespace oag
