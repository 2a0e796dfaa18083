// A model's numbers from an arbitrary config.json: read, or refused with oag::Error.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "llm/models/hugging_face_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const oag::Json json = oag::parse_json({reinterpret_cast<const char*>(data), size}, "input");
    const oag::TextConfig text = oag::read_hugging_face_config(json, "input").text;
    // What is accepted can be computed with.
    if (text.rope_dims > 4096) return 0;
    for (const float frequency :
         oag::rope_frequencies(text.rope_dims, text.rope_theta, text.rope_scaling, {})) {
      if (std::isnan(frequency)) std::abort();
    }
  } catch (const oag::Error&) {
  }
  return 0;
}
