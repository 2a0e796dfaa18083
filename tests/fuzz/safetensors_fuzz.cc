// A safetensors file and an index of shards from arbitrary bytes: read, or refused with oag::Error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "base/error.h"
#include "engine/formats/safetensors/safetensors_file.h"
#include "engine/formats/safetensors/safetensors_index.h"

namespace {

// Every byte belongs to one tensor: their sizes add up, and all can be read.
void read_all(const oag::SafetensorsFile& file, size_t size) {
  size_t total = 0;
  unsigned sum = 0;
  for (const oag::SafetensorsTensor& tensor : file.tensors()) {
    total += tensor.bytes.size();
    for (const std::byte byte : tensor.bytes) sum += static_cast<unsigned>(byte);
    if (file.find_tensor(tensor.name) != &tensor) std::abort();
  }
  if (total > size || sum > 255u * total) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    read_all(*oag::SafetensorsFile::parse(std::as_bytes(std::span(data, size)), "input"), size);
  } catch (const oag::Error&) {
  }
  try {
    oag::parse_safetensors_index({reinterpret_cast<const char*>(data), size}, "input");
  } catch (const oag::Error&) {
  }
  return 0;
}
