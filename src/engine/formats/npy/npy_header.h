#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "engine/tensor/dim.h"

namespace oag {

// What stands before the values of a .npy file.
struct NpyHeader {
  std::string descr;  // "<f4"
  bool fortran_order = false;
  Dims dims;
  size_t size_bytes = 0;  // of magic, length and text: where the values begin
};

// Errors: kCorruptData; kUnsupported where the type is a structure.
NpyHeader parse_npy_header(std::span<const std::byte> bytes, std::string_view where);

// The bytes of a header of version 1, whose size is a multiple of 64.
std::string npy_header_bytes(std::string_view descr, const Dims& dims);

}  // namespace oag
