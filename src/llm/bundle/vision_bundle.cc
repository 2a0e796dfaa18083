#include "llm/bundle/vision_bundle.h"

#include <algorithm>
#include <iterator>
#include <system_error>

#include "base/error.h"
#include "base/file.h"
#include "llm/bundle/hugging_face_bundle.h"
#include "llm/models/glm4v_vision.h"

namespace oag {
namespace {

GlmImageConfig read_image_config(const GgufMetadata& metadata) {
  MmprojImageValues values;
  values.patch_size = static_cast<int64_t>(metadata.get_u64("clip.vision.patch_size"));
  if (const auto merge = metadata.find_u64("clip.vision.spatial_merge_size"))
    values.spatial_merge_size = static_cast<int64_t>(*merge);
  const auto pixels = [&](std::string_view key) -> std::optional<int64_t> {
    const auto value = metadata.find_u64(key);
    return value ? std::optional(static_cast<int64_t>(std::min<uint64_t>(*value, INT64_MAX))) : std::nullopt;
  };
  values.min_pixels = pixels("clip.vision.image_min_pixels");
  values.max_pixels = pixels("clip.vision.image_max_pixels");
  values.image_mean = metadata.find_f32_array("clip.vision.image_mean").value_or(std::vector<float>{});
  values.image_std = metadata.find_f32_array("clip.vision.image_std").value_or(std::vector<float>{});
  return glm_image_config(values, metadata.where());
}

// Pictures are cut by the numbers of one file and walked by those of the other.
void check_cut(const VisionBundle& bundle, std::string_view config, std::string_view images) {
  const auto same = [&](std::string_view of_images, int64_t seen, std::string_view of_tower,
                        int64_t expected) {
    if (seen == expected) return;
    fail(ErrorCode::kCorruptData, images, "{} is {}, but {} of the vision tower in {} is {}; they must agree",
         of_images, seen, of_tower, config, expected);
  };
  same("patch_size", bundle.images.patch_size, "patch_size", bundle.config.patch_size);
  same("merge_size", bundle.images.merge_size, "spatial_merge_size", bundle.config.merge_size);
  same("temporal_patch_size", bundle.images.temporal_patch_size, "temporal_patch_size",
       bundle.config.temporal_patch_size);
}

std::shared_ptr<const VisionBundle> open_mmproj(const std::filesystem::path& path) {
  const auto file = GgufFile::open(path);
  if (const std::string_view kind = file->get_string("general.architecture"); kind != "clip") {
    fail(ErrorCode::kUnsupported, file->where(),
         "holds a model \"{}\", expected a vision tower (general.architecture clip)", kind);
  }
  auto bundle = std::make_shared<VisionBundle>();
  bundle->path = path;
  bundle->config = read_vision_config(*file);
  bundle->images = read_image_config(*file);
  check_cut(*bundle, file->where(), file->where());
  bundle->weights = std::make_shared<const Weights>(file);
  return bundle;
}

std::shared_ptr<const VisionBundle> open_folder(const std::filesystem::path& folder) {
  const std::filesystem::path config = folder / "config.json", images = folder / "preprocessor_config.json";
  if (!is_there(images)) {
    fail(ErrorCode::kNotFound, images.string(),
         "is missing, and says how the model's pictures are prepared; fetch it from where the model came "
         "from");
  }
  auto bundle = std::make_shared<VisionBundle>();
  bundle->path = folder;
  bundle->config = read_vision_config(read_json(config), config.string());
  bundle->images = parse_glm_image_config(read_json(images), images.string());
  check_cut(*bundle, config.string(), images.string());
  bundle->weights = std::make_shared<const Weights>(open_safetensors(folder), kGlm4vVisionNames);
  return bundle;
}

}  // namespace

Graph VisionBundle::build_graph() const {
  Graph graph = build_glm4v_vision(config, *weights);
  weights->refuse_unread();
  return graph;
}

std::vector<float> VisionBundle::position_table() const {
  return read_position_table(config, *weights);
}

std::filesystem::path vision_file_beside(const std::filesystem::path& model) {
  std::vector<std::filesystem::path> found;
  std::error_code error;
  const std::filesystem::path folder = model.has_parent_path() ? model.parent_path() : ".";
  constexpr std::string_view kPrefix = "mmproj-";
  std::filesystem::path exact = folder / (std::string(kPrefix) + model.filename().string());
  if (is_there(exact)) return exact;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with("mmproj") && name.ends_with(".gguf")) found.push_back(entry->path());
  }
  // One that has the name of another model there is that model's.
  const auto is_of_other = [&](const std::filesystem::path& path) {
    const std::string name = path.filename().string();
    return name.starts_with(kPrefix) && is_there(folder / name.substr(kPrefix.size()));
  };
  if (!std::ranges::all_of(found, is_of_other)) std::erase_if(found, is_of_other);
  const std::string stem = model.stem().string();
  for (const std::string& name : {stem, stem.substr(0, stem.find('.'))}) {
    std::vector<std::filesystem::path> named;
    std::copy_if(found.begin(), found.end(), std::back_inserter(named),
                 [&](const auto& path) { return path.filename().string().find(name) != std::string::npos; });
    if (!named.empty()) found = std::move(named);
  }
  if (found.size() > 1) {
    std::sort(found.begin(), found.end());
    fail(ErrorCode::kInvalidArgument, model.string(),
         "has {} vision files beside it, {} and {} among them; name one with --mmproj", found.size(),
         found[0].filename().string(), found[1].filename().string());
  }
  if (found.empty()) {
    fail(
        ErrorCode::kNotFound, model.string(),
        "has no vision tower beside it; put its mmproj-….gguf into the same folder or name it with --mmproj");
  }
  return found.front();
}

std::shared_ptr<const VisionBundle> load_vision_bundle(const std::filesystem::path& model,
                                                       const std::filesystem::path& given) {
  if (given.empty() && is_folder(model)) return open_folder(model);
  return open_mmproj(given.empty() ? vision_file_beside(model) : given);
}

}  // namespace oag
