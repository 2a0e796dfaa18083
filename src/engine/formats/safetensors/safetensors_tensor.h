#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "engine/tensor/dtype.h"

namespace oag {

// A tensor of a safetensors file: where its bytes are and how to read them.
struct SafetensorsTensor {
  std::string name;
  std::string_view type_name;        // "BF16"
  DType dtype = DType::kUndefined;   // kUndefined: a type this engine cannot compute with
  std::vector<int64_t> dims;         // row-major, slowest first; empty for a single value
  std::span<const std::byte> bytes;  // a view into the file; aligned to its values in files of our time only
  const MappedFile* file = nullptr;  // the shard that holds the bytes; null for a file parsed from memory
};

}  // namespace oag
