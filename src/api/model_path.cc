#include "api/model_path.h"

#include <string_view>
#include <vector>

#include "base/error.h"
#if OAG_NET
#include "service/hub/hub.h"
#endif

namespace oag {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kUnfinishedName = "oag-convert.state";  // of llm/bundle/convert_jobs.cc

[[noreturn]] void fail_to_look(const fs::path& path, const std::error_code& error) {
  fail(ErrorCode::kIo, path.string(), "cannot be looked at: {}; check the path and its permissions",
       error.message());
}

bool path_exists(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::status_known(status) || (error && status.type() != fs::file_type::not_found))
    fail_to_look(path, error);
  return fs::exists(status);
}

fs::path resolve(const std::string& model) {
  // What names a place is no model's name, and needs no cache folder.
  const bool is_path = model.find('/') != std::string::npos && model.find("://") == std::string::npos;
  if (is_path && path_exists(model)) return model;
#if OAG_NET
  return Hub::open().resolve(model);
#else
  if (!model.empty() && path_exists(model)) return model;
  fail(ErrorCode::kNotFound, model, "is no file or folder; this build knows no model names, give a path");
#endif
}

// What a folder holds of models.
struct FolderContents {
  std::vector<fs::path> models;  // GGUF files that are no vision tower
  size_t towers = 0;             // mmproj….gguf, which stand beside a model
  bool has_config = false, has_safetensors = false;
  bool is_unfinished = false;  // a conversion into it was stopped
};

FolderContents look_into(const fs::path& folder) {
  FolderContents contents;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const bool is_gguf = name.ends_with(".gguf"), is_tower = is_gguf && name.starts_with("mmproj");
    if (is_tower) ++contents.towers;
    if (is_gguf && !is_tower) contents.models.push_back(entry->path());
    contents.has_config |= name == "config.json";
    contents.has_safetensors |= name.ends_with(".safetensors");
    contents.is_unfinished |= name == kUnfinishedName;
  }
  if (error) fail_to_look(folder, error);
  return contents;
}

}  // namespace

fs::path find_model_file(const std::string& model) {
  fs::path path = resolve(model);
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    if (path.extension() != ".onnx") return path;
    fail(ErrorCode::kUnsupported, path.string(),
         "is an ONNX model, and a language model is asked for; oag infer runs it");
  }
  const auto [models, towers, has_config, has_safetensors, is_unfinished] = look_into(path);
  const std::string where = path.string();
  if (is_unfinished) {
    fail(ErrorCode::kCorruptData, where,
         "holds a conversion that was stopped; repeat the same oag convert, which goes on from there");
  }
  // Folders of GGUF files often have the config of the model that they were made from.
  if (has_config && (has_safetensors || models.empty())) return path;
  if (models.size() == 1) return models.front();
  if (models.empty() && has_safetensors) {
    fail(ErrorCode::kNotFound, where,
         "config.json is missing beside the safetensors; fetch it from where the model came from");
  }
  if (models.empty() && towers > 0) {
    fail(ErrorCode::kNotFound, where,
         "the folder holds a vision tower (mmproj) alone; put the model's GGUF file beside it");
  }
  fail(ErrorCode::kInvalidArgument, where,
       "the folder holds {} GGUF files and no config.json with safetensors, expected exactly one; name the "
       "file",
       models.size());
}

}  // namespace oag
