#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "engine/tensor/dtype.h"

namespace oag {

// A tensor of a GGUF file: where its bytes are and how to read them.
struct GgufTensor {
  std::string name;
  DType dtype = DType::kUndefined;   // kUndefined: a type this engine cannot compute with, see type_id
  uint32_t type_id = 0;              // the number in the file; ggml_type_name() names it
  std::vector<int64_t> dims;         // row-major, slowest first: the reverse of the file's order
  std::span<const std::byte> bytes;  // whole rows; a view into the file, empty for types of unknown size
  const MappedFile* file = nullptr;  // the part that holds the bytes; null for a file parsed from memory
};

}  // namespace oag
