#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/tensor/dtype.h"
#include "engine/tensor/tensor.h"

namespace oag {

// Element `at` of a tensor of numbers as text: the fewest digits that tell its value from its neighbours',
// plain from 1e-4 up to 1e16 and with an exponent beyond ("3.0", "1e-05", "nan", "-inf"), as Python and
// ONNX's reference write them; True and False for bool.
std::string text_of_element(const Tensor& tensor, int64_t at);

// The number that a text stands for: decimal, maybe with an exponent, or inf, infinity, nan, true or false in
// any case, with blanks around it. Nothing for other texts. f32 is rounded once.
std::optional<double> parse_number(std::string_view text, DType dtype);
// The same for integers; fractions are cut off, what is out of range saturates.
std::optional<int64_t> parse_signed(std::string_view text);
std::optional<uint64_t> parse_unsigned(std::string_view text);

}  // namespace oag
