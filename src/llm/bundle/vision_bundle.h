#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "engine/graph/graph.h"
#include "llm/models/vision_config.h"
#include "llm/models/weights.h"
#include "llm/vision/glm_image_processor.h"

namespace oag {

// What turns pictures into rows of embeddings: a vision tower's numbers and weights, and how pictures are
// prepared for it.
struct VisionBundle {
  std::filesystem::path path;
  std::shared_ptr<const Weights> weights;
  VisionConfig config;
  GlmImageConfig images;

  Graph build_graph() const;
  std::vector<float> position_table() const;
};

// The vision tower of the model at `model`: in the GGUF file `given` (mmproj) or, where that is empty, in the
// Hugging Face folder itself, or in the file that stands beside a GGUF model: the only one whose name begins
// with "mmproj", or the one of these that has the model's name in its own. Errors: those of GgufFile::open;
// kNotFound where there is none; kInvalidArgument where there are several; kUnsupported for another kind of
// tower; kCorruptData for numbers that contradict each other.
std::shared_ptr<const VisionBundle> load_vision_bundle(const std::filesystem::path& model,
                                                       const std::filesystem::path& given);

}  // namespace oag
