#pragma once

#include <cstdint>
#include <string_view>

#include "engine/tensor/dtype.h"

namespace oag {

// An element type as safetensors names it. Types that this engine cannot compute with have dtype kUndefined.
struct SafetensorsType {
  std::string_view name;  // "BF16"
  uint32_t bits;          // of one value
  DType dtype;
};

// Null for a name that the format does not know.
const SafetensorsType* find_safetensors_type(std::string_view name);

// Null for an element type that the format has no name for.
const SafetensorsType* find_safetensors_type(DType dtype);

}  // namespace oag
