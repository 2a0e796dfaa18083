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
  bool is_hugging_face = false;
  fs::directory_iterator entry(path, error);
  for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() == ".gguf") files.push_back(entry->path());
    is_hugging_face = is_hugging_face || entry->path().filename() == "config.json";
  }
  if (error) fail_to_look(path, error);
  if (files.size() == 1) return files.front();
  if (files.empty() && is_hugging_face) {
    fail(ErrorCode::kUnsupported, path.string(),
         "is a Hugging Face folder (config.json), which is not supported yet; convert the model to GGUF");
  }
  fail(ErrorCode::kInvalidArgument, path.string(),
       "the folder holds {} GGUF files, expected exactly one; name the file", files.size());
}

}  // namespace oag
