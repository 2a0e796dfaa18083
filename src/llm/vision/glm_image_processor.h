#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/image.h"
#include "base/json.h"
#include "llm/vision/image_grid.h"
#include "llm/vision/parallel_for.h"
#include "llm/vision/patches.h"
#include "llm/vision/smart_resize.h"

namespace oag {

// What a GLM-4.1V checkpoint says about pictures; the defaults are its own.
struct GlmImageConfig {
  int patch_size = 14;
  int merge_size = 2;
  int temporal_patch_size = 2;
  int64_t min_pixels = 112 * 112;  // size.shortest_edge
  int64_t max_pixels =
      int64_t{28} * 28 * 2 * 6144;  // size.longest_edge; counts both frames of a still picture
  std::array<float, 3> mean = {0.48145466f, 0.4578275f, 0.40821073f};
  std::array<float, 3> std = {0.26862954f, 0.26130258f, 0.27577711f};
};

// From preprocessor_config.json, or the image_processor object of a processor_config.json. Missing keys keep
// their defaults. Errors: kCorruptData for values out of range, kUnsupported for another processor or another
// resampling.
GlmImageConfig parse_glm_image_config(const Json& document, std::string_view where);

// What a GGUF file of a vision tower (mmproj) says: clip.vision.{patch_size, spatial_merge_size,
// image_min_pixels, image_max_pixels, image_mean, image_std}. The pixels are width times height of one
// picture, as llama.cpp counts them. What is missing keeps its default. Errors: kCorruptData.
struct MmprojImageValues {
  int64_t patch_size = 14;
  std::optional<int64_t> spatial_merge_size;
  std::vector<float> image_mean;
  std::vector<float> image_std;
  std::optional<int64_t> min_pixels = {}, max_pixels = {};
};
GlmImageConfig glm_image_config(const MmprojImageValues& values, std::string_view where);

// What a user may change. max_pixels replaces the checkpoint's budget and counts as it does, both frames:
// with 5,000,000 a screen of 1080x2400 becomes 1036x2352. Off by default: the model was trained with its own
// budget.
struct GlmImageOptions {
  std::optional<int64_t> max_pixels;
};

// From a decoded picture to the rows that the vision tower takes. Immutable, so threads may share it.
class GlmImageProcessor {
 public:
  // Errors: kInvalidArgument for a max_pixels under min_pixels.
  explicit GlmImageProcessor(const GlmImageConfig& config, const GlmImageOptions& options = {});

  const GlmImageConfig& config() const { return config_; }

  // The patches of a picture of this size, without looking at it. Errors: as smart_resize.
  ImageGrid grid_of(int width, int height, std::string_view where) const;

  // Values of one patch: 3 * temporal_patch_size * patch_size^2, 1176 for GLM-4.1V.
  int64_t row_values() const;

  // Resizes, normalises and cuts. `rows` [grid.patches(), row_values()] f32, as cut_patches lays them out.
  // Returns the grid. Errors: as smart_resize; kInternal when `rows` has another size.
  ImageGrid process(const RgbImage& image, std::string_view where, std::span<float> rows,
                    ParallelFor parallel_for = kOnCaller) const;

 private:
  GlmImageConfig config_;
  ResizeBudget budget_;
  PixelTable table_;
};

}  // namespace oag
