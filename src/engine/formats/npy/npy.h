#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "engine/tensor/tensor.h"

namespace oag {

// One array of a .npy file (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html), versions
// 1 to 3, row-major whatever the order in the file. Texts (numpy's U, as UTF-8, and S) become strings without
// their trailing zeros. `where` names the file in errors. Errors: kCorruptData; kUnsupported for big-endian
// numbers, dates, structures, pickled objects and other types that a Tensor has no counterpart of.
Tensor parse_npy(std::span<const std::byte> bytes, std::string_view where);

// Errors: also those of MappedFile::open.
Tensor read_npy(const std::filesystem::path& file);

// Whether a .npy file has this element type: f16, f32, f64, integers from 8 bits, bool and complex numbers.
// Strings are not among them: numpy's have one width for all, and lose trailing zeros.
bool npy_holds(DType dtype);

// Writes version 1, row-major, as numpy.save does. Errors: kUnsupported for other types; kIo.
void write_npy(const std::filesystem::path& file, const Tensor& tensor);

}  // namespace oag
