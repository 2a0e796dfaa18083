#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/tensor/tensor.h"

namespace oag {

// Values that are no plain arrays. A sequence is an array [n] of tensors, an optional one of 0 or 1 of them,
// a map one of two: keys [n], and its values as a tensor [n] or a sequence of n. What stands in a container
// is shared with whoever reads it and never changes: memory that will be written again is copied before it
// goes in.

Tensor make_strings(Dims dims, std::vector<std::string> strings);
Tensor make_sequence(std::vector<Tensor> elements);
Tensor make_optional(std::optional<Tensor> element);
Tensor make_map(Tensor keys, Tensor values);

std::span<const std::string> strings_of(const Tensor& strings);
std::span<const Tensor> elements_of(const Tensor& container);

// to = from, element by element; both have one type and count. Bytes may overlap.
void copy_elements(const Tensor& from, const Tensor& to);

// The same value in memory of its own, elements of containers included.
Tensor deep_copy(const Tensor& tensor);

}  // namespace oag
