#pragma once

#include <complex>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/tensor/tensor.h"

namespace oag::cli {

// Any number that a tensor holds; exact where the machine's long double has 64 bits of mantissa.
using AnyNumber = std::complex<long double>;

// Whether the elements are numbers (bool counts): no strings, containers or block formats.
bool holds_numbers(DType dtype);

// Element `i` of a tensor of numbers on the host; packed types are unpacked.
AnyNumber number_at(const Tensor& tensor, int64_t i);

// Element `i` for people: "1.5", "-3", "true", "1+2i", a quoted string, a short word for what is inside a
// container.
std::string element_text(const Tensor& tensor, int64_t i);

// "f32[1, 3]", "sequence of 2", "optional, empty", "map of 3".
std::string type_text(const Tensor& tensor);

// The place of element `i` along each dim.
std::vector<int64_t> place_of(const Dims& dims, int64_t i);

}  // namespace oag::cli
