#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/formats/safetensors/safetensors_tensor.h"

namespace oag {

// One safetensors file.
struct SafetensorsPart {
  std::vector<SafetensorsTensor> tensors;                     // in order of their bytes
  std::vector<std::pair<std::string, std::string>> metadata;  // of __metadata__, in its order
};

// Reads a whole file: u64 length, JSON header of at most 100 MB, data. Every tensor's type, dims and offsets
// are checked against each other and the file; the tensors must cover the data without gap or overlap, as the
// format demands. `where` names the file in errors. Views are into `bytes`. Errors: kCorruptData;
// kUnsupported for an element type that the format does not know.
SafetensorsPart parse_safetensors(std::span<const std::byte> bytes, const std::string& where);

}  // namespace oag
