#include "llm/models/vision_config.h"

#include "base/error.h"

namespace oag {
namespace {

constexpr int64_t kMaxLayers = 4096, kMaxWidth = int64_t{1} << 24;

int64_t checked(const GgufMetadata& metadata, std::string_view key, int64_t value, int64_t limit) {
  if (value <= 0 || value > limit)
    fail(ErrorCode::kCorruptData, metadata.where(), "key {}: {} is outside [1, {}]", key, value, limit);
  return value;
}

int64_t size(const GgufMetadata& metadata, std::string_view key, int64_t limit) {
  return checked(metadata, key, static_cast<int64_t>(metadata.get_u64(key)), limit);
}

}  // namespace

VisionConfig read_vision_config(const GgufMetadata& metadata) {
  const std::string_view projector = metadata.get_string("clip.projector_type");
  if (projector != "glm4v") {
    fail(ErrorCode::kUnsupported, metadata.where(), "vision projector \"{}\" is not supported; known: glm4v",
         projector);
  }
  VisionConfig config;
  config.hidden_size = size(metadata, "clip.vision.embedding_length", kMaxWidth);
  config.layers = size(metadata, "clip.vision.block_count", kMaxLayers);
  config.heads = size(metadata, "clip.vision.attention.head_count", kMaxWidth);
  config.output_size = size(metadata, "clip.vision.projection_dim", kMaxWidth);
  config.merger_ffn_size = size(metadata, "clip.vision.feed_forward_length", kMaxWidth);
  config.patch_size = size(metadata, "clip.vision.patch_size", 1024);
  config.table_side = size(metadata, "clip.vision.image_size", 1 << 20) / config.patch_size;
  if (const auto merge = metadata.find_u64("clip.vision.spatial_merge_size"))
    config.merge_size = checked(metadata, "clip.vision.spatial_merge_size", static_cast<int64_t>(*merge), 16);
  config.epsilon =
      static_cast<float>(metadata.find_f64("clip.vision.attention.layer_norm_epsilon").value_or(1e-5));
  if (config.hidden_size % config.heads != 0 || config.head_size() % 4 != 0) {
    fail(ErrorCode::kCorruptData, metadata.where(),
         "{} heads do not divide a hidden size of {} into sizes that are multiples of 4", config.heads,
         config.hidden_size);
  }
  if (config.table_side == 0 || !(config.epsilon > 0)) {
    fail(ErrorCode::kCorruptData, metadata.where(),
         "clip.vision.image_size is below the patch size, or the norm's epsilon is not above 0");
  }
  return config;
}

}  // namespace oag
