#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "engine/graph/graph.h"
#include "llm/models/vision_config.h"
#include "llm/models/weights.h"
#include "llm/vision/glm_image_processor.h"

namespace oag {

// What turns pictures into rows of embeddings: a vision tower's numbers and weights, and how pictures are
// prepared for it.
struct VisionBundle {
  std::filesystem::path path;
  std::shared_ptr<const GgufFile> file;
  VisionConfig config;
  GlmImageConfig images;

  Graph build_graph() const;
  std::vector<float> position_table() const;
};

// Opens a GGUF file of a vision tower (mmproj). Errors: those of GgufFile::open; kUnsupported for another
// kind of tower; kCorruptData for numbers that contradict each other.
std::shared_ptr<const VisionBundle> load_vision_bundle(const std::filesystem::path& path);

// The vision file that stands beside a GGUF model: the only one whose name begins with "mmproj", or the one
// of these that has the model's name in its own. Errors: kInvalidArgument when that leaves several.
std::optional<std::filesystem::path> find_vision_file(const std::filesystem::path& model);

}  // namespace oag
