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

// The file of a vision tower that stands beside a GGUF model: mmproj-<its name>, else the only one whose name
// begins with "mmproj", not counting mmproj-<name of another file there>, else the only one of these that has
// the model's name in its own. Errors: kNotFound where there is none; kInvalidArgument where there are
// several.
std::filesystem::path vision_file_beside(const std::filesystem::path& model);

// The vision tower of the model at `model`: in the GGUF file `given` (mmproj) or, where that is empty, in the
// Hugging Face folder itself, or in the file that stands beside a GGUF model. Errors: those of GgufFile::open
// and vision_file_beside; kUnsupported for another kind of tower; kCorruptData for numbers that contradict
// each other.
std::shared_ptr<const VisionBundle> load_vision_bundle(const std::filesystem::path& model,
                                                       const std::filesystem::path& given);

}  // namespace oag
