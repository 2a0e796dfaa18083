// A model's numbers from an arbitrary JSON file of its folder, by every reader of such files: read, or
// refused with oag::Error.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "llm/bundle/encoder_bundle.h"
#include "llm/models/bert.h"
#include "llm/models/hugging_face_config.h"
#include "llm/models/vision_config.h"
#include "llm/vision/glm_image_processor.h"
#include "llm/vision/vision_positions.h"

namespace {

void read_text(const oag::Json& json) {
  const oag::TextConfig text = oag::read_hugging_face_config(json, "input").text;
  // What is accepted can be computed with.
  if (text.rope_dims > 4096) return;
  for (const float frequency :
       oag::rope_frequencies(text.rope_dims, text.rope_theta, text.rope_scaling, {})) {
    if (std::isnan(frequency)) std::abort();
  }
}

void read_vision(const oag::Json& json) {
  const oag::VisionConfig vision = oag::read_vision_config(json, "input");
  if (vision.heads * vision.head_size() != vision.hidden_size || vision.patch_values() < 3) std::abort();
}

// A small picture's grid is whole blocks.
void read_images(const oag::Json& json) {
  const oag::GlmImageConfig config = oag::parse_glm_image_config(json, "input");
  const oag::GlmImageProcessor processor(config);
  const oag::ImageGrid grid = processor.grid_of(126, 84, "picture");
  if (grid.patches() < 1 || grid.patches() > 1 << 16) return;
  if (oag::patch_positions(grid, config.merge_size).size() != static_cast<size_t>(2 * grid.patches()))
    std::abort();
}

void read_encoder(const oag::Json& json) {
  const oag::EncoderConfig encoder = oag::read_encoder_config(json, "input");
  if (encoder.hidden_size % encoder.heads != 0 || !(encoder.epsilon > 0)) std::abort();
}

void read_modules(const oag::Json& json) {
  const oag::EncoderModules modules = oag::parse_encoder_modules(json, "input");
  if (modules.pooling_folder.find('/') != std::string::npos) std::abort();
}

void read_pooling(const oag::Json& json) {
  oag::parse_pooling(json, "input");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  oag::Json json;
  try {
    json = oag::parse_json({reinterpret_cast<const char*>(data), size}, "input");
  } catch (const oag::Error&) {
    return 0;
  }
  for (const auto read : {read_text, read_vision, read_images, read_encoder, read_modules, read_pooling}) {
    try {
      read(json);
    } catch (const oag::Error&) {
    }
  }
  return 0;
}
