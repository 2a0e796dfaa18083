#include "api/model_path.h"

#include <vector>

#include "base/error.h"
#if OAG_NET
#include "service/hub/hub.h"
#endif

namespace oag {
namespace {

namespace fs = std::filesystem;

fs::path resolve(const std::string& model) {
  // What names a place is no model's name, and needs no cache folder.
  if (model.find('/') != std::string::npos && fs::exists(model)) return model;
#if OAG_NET
  return Hub::open().resolve(model);
#else
  if (!model.empty() && fs::exists(model)) return model;
  fail(ErrorCode::kNotFound, model, "is no file or folder; this build knows no model names, give a path");
#endif
}

}  // namespace

fs::path find_model_file(const std::string& model) {
  fs::path path = resolve(model);
  if (!fs::is_directory(path)) return path;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.path().extension() == ".gguf") files.push_back(entry.path());
  }
  if (files.size() == 1) return files.front();
  fail(ErrorCode::kInvalidArgument, path.string(),
       "the folder holds {} GGUF files, expected exactly one; name the file", files.size());
}

}  // namespace oag
