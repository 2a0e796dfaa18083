#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "engine/formats/gguf/gguf_metadata.h"
#include "engine/formats/gguf/gguf_tensor.h"

namespace oag {

// What one GGUF file (or one part of a split one) holds.
struct GgufPart {
  GgufMetadata metadata;
  std::vector<GgufTensor> tensors;  // in file order; bytes point into the parsed span
};

// Parses a GGUF file of version 2 or 3 (format: docs/gguf.md of the ggml project). `name` stands in errors.
// Metadata is copied, tensors are views. Memory allocated is bounded by a small multiple of bytes.size(), at
// most 65,536 keys and 2^20 tensors. Errors: kUnsupported for other versions, byte orders and older formats,
// kCorruptData for anything that contradicts the format, with the byte offset, what was seen and what was
// expected.
GgufPart parse_gguf(std::span<const std::byte> bytes, const std::string& name);

}  // namespace oag
