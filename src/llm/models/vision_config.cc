#include "llm/models/vision_config.h"

#include <cmath>

#include "base/error.h"
#include "llm/models/config_reader.h"
#include "llm/models/text_config.h"

namespace oag {
namespace {

constexpr int64_t kMaxPatch = 1024, kMaxImage = 1 << 20, kMaxMerge = 16;

int64_t checked(const GgufMetadata& metadata, std::string_view key, int64_t value, int64_t limit) {
  if (value <= 0 || value > limit)
    fail(ErrorCode::kCorruptData, metadata.where(), "key {}: {} is outside [1, {}]", key, value, limit);
  return value;
}

void check(const VisionConfig& config, std::string_view where) {
  if (config.hidden_size % config.heads != 0 || config.head_size() % 4 != 0) {
    fail(ErrorCode::kCorruptData, where,
         "{} heads do not divide a hidden size of {} into sizes that are multiples of 4", config.heads,
         config.hidden_size);
  }
  if (config.table_side == 0 || !(config.epsilon > 0) || !std::isfinite(config.epsilon)) {
    fail(ErrorCode::kCorruptData, where,
         "pictures are smaller than a patch, or the norm's epsilon {} is no number above 0", config.epsilon);
  }
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
  config.patch_size = size(metadata, "clip.vision.patch_size", kMaxPatch);
  config.table_side = size(metadata, "clip.vision.image_size", kMaxImage) / config.patch_size;
  if (const auto merge = metadata.find_u64("clip.vision.spatial_merge_size"))
    config.merge_size =
        checked(metadata, "clip.vision.spatial_merge_size", static_cast<int64_t>(*merge), kMaxMerge);
  config.epsilon =
      static_cast<float>(metadata.find_f64("clip.vision.attention.layer_norm_epsilon").value_or(1e-5));
  check(config, metadata.where());
  return config;
}

VisionConfig read_vision_config(const Json& config, std::string_view where) {
  const auto object = ConfigReader(config, where).find_object("vision_config");
  if (!object) fail(ErrorCode::kNotFound, where, "has no vision_config: the model takes no pictures");
  if (const auto activation = object->find_text("hidden_act"); activation && *activation != "silu")
    object->unsupported("hidden_act", fmt::format("is \"{}\", known: silu", activation->substr(0, 64)));
  VisionConfig vision;
  vision.hidden_size = object->size("hidden_size", kMaxWidth);
  vision.layers = object->size("depth", kMaxLayers);
  vision.heads = object->size("num_heads", kMaxWidth);
  vision.output_size = object->size("out_hidden_size", kMaxWidth);
  vision.merger_ffn_size = object->size("intermediate_size", kMaxWidth);
  vision.patch_size = object->find_size("patch_size", kMaxPatch).value_or(14);
  vision.merge_size = object->find_size("spatial_merge_size", kMaxMerge).value_or(2);
  vision.temporal_patch_size = object->find_size("temporal_patch_size", kMaxMerge).value_or(2);
  vision.table_side = object->size("image_size", kMaxImage) / vision.patch_size;
  vision.epsilon = static_cast<float>(object->number("rms_norm_eps", 1e-5));
  check(vision, where);
  return vision;
}

}  // namespace oag
