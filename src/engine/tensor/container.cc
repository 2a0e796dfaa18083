#include "engine/tensor/container.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace oag {
namespace {

Tensor make_container(DType dtype, std::vector<Tensor> elements) {
  Tensor container = Tensor::host(dtype, {static_cast<int64_t>(elements.size())});
  std::move(elements.begin(), elements.end(), container.values<Tensor>().begin());
  return container;
}

}  // namespace

Tensor make_strings(Dims dims, std::vector<std::string> strings) {
  Tensor tensor = Tensor::host(DType::kString, std::move(dims));
  const auto values = tensor.values<std::string>();
  std::move(strings.begin(),
            strings.begin() + static_cast<std::ptrdiff_t>(std::min(strings.size(), values.size())),
            values.begin());
  return tensor;
}

Tensor make_sequence(std::vector<Tensor> elements) {
  return make_container(DType::kSequence, std::move(elements));
}

Tensor make_optional(std::optional<Tensor> element) {
  std::vector<Tensor> elements;
  if (element) elements.push_back(std::move(*element));
  return make_container(DType::kOptional, std::move(elements));
}

Tensor make_map(Tensor keys, Tensor values) {
  std::vector<Tensor> elements;
  elements.push_back(std::move(keys));
  elements.push_back(std::move(values));
  return make_container(DType::kMap, std::move(elements));
}

std::span<const std::string> strings_of(const Tensor& strings) {
  return strings.values<std::string>();
}

std::span<const Tensor> elements_of(const Tensor& container) {
  return container.values<Tensor>();
}

void copy_elements(const Tensor& from, const Tensor& to) {
  if (from.data() == to.data() || from.size_bytes() == 0) return;
  if (from.dtype() == DType::kString) {
    std::ranges::copy(strings_of(from), to.values<std::string>().begin());
  } else if (is_container(from.dtype())) {
    std::ranges::copy(elements_of(from), to.values<Tensor>().begin());
  } else {
    std::memmove(to.data(), from.data(), from.size_bytes());
  }
}

Tensor deep_copy(const Tensor& tensor) {
  if (!tensor.defined()) return {};
  Tensor copy = Tensor::host(tensor.dtype(), tensor.dims());
  if (is_container(tensor.dtype())) {
    std::ranges::transform(elements_of(tensor), copy.values<Tensor>().begin(), deep_copy);
  } else {
    copy_elements(tensor, copy);
  }
  return copy;
}

}  // namespace oag
