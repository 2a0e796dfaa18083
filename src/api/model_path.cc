#include "api/model_path.h"

#include <vector>

#include "base/error.h"
#if OAG_NET
#include "service/hub/hub.h"
#endif

namespace oag {
namespace {

namespace fs = std::filesystem;

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

}  // namespace

fs::path find_model_file(const std::string& model) {
  fs::path path = resolve(model);
  std::error_code error;
  if (!fs::is_directory(path, error)) return path;
  std::vector<fs::path> files;
  bool has_config = false, has_safetensors = false;
  fs::directory_iterator entry(path, error);
  for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() == ".gguf") files.push_back(entry->path());
    has_config = has_config || entry->path().filename() == "config.json";
    has_safetensors = has_safetensors || entry->path().extension() == ".safetensors";
  }
  if (error) fail_to_look(path, error);
  // Folders of GGUF files often have the config of the model that they were made from.
  if (has_config && (has_safetensors || files.empty())) return path;
  if (files.size() == 1) return files.front();
  fail(ErrorCode::kInvalidArgument, path.string(),
       "the folder holds {} GGUF files and no config.json with safetensors, expected exactly one; name the "
       "file",
       files.size());
}

}  // namespace oag
