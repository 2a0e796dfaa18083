// Arrays of numpy from outside: a tensor whose bytes are those of the file, or oag::Error.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/error.h"
#include "engine/formats/npy/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const oag::Tensor tensor = oag::parse_npy(std::as_bytes(std::span(data, size)), "input");
    if (!tensor.defined() || (tensor.dtype() != oag::DType::kString && tensor.size_bytes() > size))
      __builtin_trap();
  } catch (const oag::Error&) {
  }
  return 0;
}
