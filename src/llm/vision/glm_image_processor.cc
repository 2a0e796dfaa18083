#include "llm/vision/glm_image_processor.h"

#include <cmath>
#include <string>

#include "base/error.h"
#include "llm/vision/resize.h"

namespace oag {
namespace {

constexpr int64_t kMaxPatchSize = 256, kMaxMergeSize = 16, kMaxFrames = 16;
constexpr int64_t kMaxPixels = int64_t{1} << 32;  // a budget past this is a mistake
constexpr int kBicubic = 3;                       // Pillow's number

void check_range(std::string_view where, std::string_view name, int64_t value, int64_t least, int64_t most) {
  if (value < least || value > most)
    fail(ErrorCode::kCorruptData, where, "{} is {}, expected {} to {}", name, value, least, most);
}

void check(const GlmImageConfig& config, std::string_view where) {
  if (config.min_pixels > config.max_pixels)
    fail(ErrorCode::kCorruptData, where, "the least number of pixels, {}, is larger than the largest, {}",
         config.min_pixels, config.max_pixels);
  for (size_t i = 0; i < 3; ++i)
    if (!std::isfinite(config.mean[i]) || !std::isfinite(config.std[i]) || !(config.std[i] > 0.0f))
      fail(ErrorCode::kCorruptData, where, "image_mean {} and image_std {} normalise nothing", config.mean[i],
           config.std[i]);
}

// Reads the keys of one JSON object, each optional.
class Fields {
 public:
  Fields(const Json& object, std::string_view where) : object_(object), where_(where) {}

  const Json* find(const char* name) const {
    const auto it = object_.find(name);
    return it == object_.end() || it->is_null() ? nullptr : &*it;
  }

  int64_t integer(const char* name, int64_t least, int64_t most, int64_t absent) const {
    const Json* value = find(name);
    if (!value) return absent;
    if (!value->is_number_integer() || (value->is_number_unsigned() && value->get<uint64_t>() > INT64_MAX))
      fail(ErrorCode::kCorruptData, where_, "{} is {}, expected an integer", name, value->dump());
    check_range(where_, name, value->get<int64_t>(), least, most);
    return value->get<int64_t>();
  }

  void require_on(const char* name) const {
    const Json* value = find(name);
    if (value && *value != Json(true))
      fail(ErrorCode::kUnsupported, where_, "{} is {}; only true is known for this model", name,
           value->dump());
  }

  std::array<float, 3> colours(const char* name, const std::array<float, 3>& absent) const {
    const Json* value = find(name);
    if (!value) return absent;
    if (!value->is_array() || value->size() != 3) fail_colours(name, *value);
    std::array<float, 3> result;
    for (size_t i = 0; i < 3; ++i) {
      if (!(*value)[i].is_number()) fail_colours(name, *value);
      result[i] = (*value)[i].get<float>();
    }
    return result;
  }

 private:
  [[noreturn]] void fail_colours(const char* name, const Json& value) const {
    fail(ErrorCode::kCorruptData, where_, "{} is {:.80}, expected three numbers", name, value.dump());
  }

  const Json& object_;
  std::string_view where_;
};

void check_kind(const Fields& fields, std::string_view where) {
  if (const Json* type = fields.find("image_processor_type");
      type && !(type->is_string() && type->get_ref<const std::string&>().starts_with("Glm4")))
    fail(ErrorCode::kUnsupported, where, "image_processor_type is {}; Glm4vImageProcessor is known",
         type->dump());
  for (const char* name : {"do_resize", "do_rescale", "do_normalize"}) fields.require_on(name);
  if (const Json* resample = fields.find("resample"); resample && *resample != Json(kBicubic))
    fail(ErrorCode::kUnsupported, where, "resample is {}; {} (bicubic) is known", resample->dump(), kBicubic);
  if (const Json* scale = fields.find("rescale_factor");
      scale && !(scale->is_number() && std::abs(scale->get<double>() * 255.0 - 1.0) < 1e-6))
    fail(ErrorCode::kUnsupported, where, "rescale_factor is {}; 1/255 is known", scale->dump());
}

}  // namespace

GlmImageConfig parse_glm_image_config(const Json& document, std::string_view where) {
  const Json* object = &document;
  if (document.is_object() && document.contains("image_processor")) object = &document.at("image_processor");
  if (!object->is_object())
    fail(ErrorCode::kCorruptData, where, "is no JSON object with the keys of an image processor");
  const Fields fields(*object, where);
  check_kind(fields, where);
  GlmImageConfig config;
  config.patch_size = static_cast<int>(fields.integer("patch_size", 1, kMaxPatchSize, config.patch_size));
  config.merge_size = static_cast<int>(fields.integer("merge_size", 1, kMaxMergeSize, config.merge_size));
  config.temporal_patch_size =
      static_cast<int>(fields.integer("temporal_patch_size", 1, kMaxFrames, config.temporal_patch_size));
  // Older files have the budget at the top, under other names; "size" wins where both are.
  config.min_pixels = fields.integer("min_pixels", 1, kMaxPixels, config.min_pixels);
  config.max_pixels = fields.integer("max_pixels", 1, kMaxPixels, config.max_pixels);
  if (const Json* size = fields.find("size")) {
    if (!size->is_object())
      fail(ErrorCode::kCorruptData, where, "size is {:.80}, expected an object", size->dump());
    const Fields edges(*size, where);
    config.min_pixels = edges.integer("shortest_edge", 1, kMaxPixels, config.min_pixels);
    config.max_pixels = edges.integer("longest_edge", 1, kMaxPixels, config.max_pixels);
  }
  config.mean = fields.colours("image_mean", config.mean);
  config.std = fields.colours("image_std", config.std);
  check(config, where);
  return config;
}

GlmImageConfig glm_image_config(const MmprojImageValues& values, std::string_view where) {
  GlmImageConfig config;
  check_range(where, "patch_size", values.patch_size, 1, kMaxPatchSize);
  config.patch_size = static_cast<int>(values.patch_size);
  if (values.spatial_merge_size) {
    check_range(where, "spatial_merge_size", *values.spatial_merge_size, 1, kMaxMergeSize);
    config.merge_size = static_cast<int>(*values.spatial_merge_size);
  }
  const auto budget = [&](const std::optional<int64_t>& pixels, std::string_view name, int64_t& all_frames) {
    if (!pixels) return;
    check_range(where, name, *pixels, 1, kMaxPixels / config.temporal_patch_size);
    all_frames = *pixels * config.temporal_patch_size;
  };
  budget(values.min_pixels, "image_min_pixels", config.min_pixels);
  budget(values.max_pixels, "image_max_pixels", config.max_pixels);
  const auto take = [&](const std::vector<float>& from, std::string_view name, std::array<float, 3>& to) {
    if (from.empty()) return;
    if (from.size() != 3)
      fail(ErrorCode::kCorruptData, where, "{} has {} values, expected 3", name, from.size());
    std::copy_n(from.begin(), 3, to.begin());
  };
  take(values.image_mean, "image_mean", config.mean);
  take(values.image_std, "image_std", config.std);
  check(config, where);
  return config;
}

GlmImageProcessor::GlmImageProcessor(const GlmImageConfig& config, const GlmImageOptions& options)
    : config_(config), table_(make_pixel_table(config.mean, config.std)) {
  const int64_t max_pixels = options.max_pixels.value_or(config.max_pixels);
  if (max_pixels < config.min_pixels || max_pixels > kMaxPixels)
    fail(ErrorCode::kInvalidArgument, "max_pixels",
         "is {}, expected {} to {}: the least is this model's own, and every pixel counts twice", max_pixels,
         config.min_pixels, kMaxPixels);
  budget_ = {config.patch_size * config.merge_size, config.temporal_patch_size, config.min_pixels,
             max_pixels};
}

ImageGrid GlmImageProcessor::grid_of(int width, int height, std::string_view where) const {
  const ImageSize size = smart_resize(height, width, budget_, where);
  return {1, size.height / config_.patch_size, size.width / config_.patch_size};
}

int64_t GlmImageProcessor::row_values() const {
  return int64_t{3} * config_.temporal_patch_size * config_.patch_size * config_.patch_size;
}

ImageGrid GlmImageProcessor::process(const RgbImage& image, std::string_view where, std::span<float> rows,
                                     ParallelFor parallel_for) const {
  const ImageGrid grid = grid_of(image.width, image.height, where);
  const RgbImage resized =
      resize_bicubic(image, grid.columns * config_.patch_size, grid.rows * config_.patch_size, parallel_for);
  const std::vector<const RgbImage*> frames(static_cast<size_t>(config_.temporal_patch_size), &resized);
  cut_patches(frames, config_.patch_size, config_.merge_size, table_, rows, parallel_for);
  return grid;
}

}  // namespace oag
