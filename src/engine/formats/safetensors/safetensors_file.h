#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "engine/formats/safetensors/safetensors_tensor.h"

namespace oag {

// The tensors of a safetensors file or of all shards of a set, as views into the mapped files. Immutable,
// hence thread safe. The views live as long as this object.
class SafetensorsFile {
 public:
  // Opens one file, a set by its index (model.safetensors.index.json), or what a folder holds: such an index,
  // else model.safetensors, else its only *.safetensors. Errors: kNotFound (naming missing shards), kIo,
  // kUnsupported, kCorruptData; see parse_safetensors.
  static std::shared_ptr<const SafetensorsFile> open(const std::filesystem::path& path);

  // The same for one file in memory, which must outlive the result. `name` stands in errors.
  static std::shared_ptr<const SafetensorsFile> parse(std::span<const std::byte> bytes,
                                                      const std::string& name);

  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  // Names the file, the index or the folder in errors.
  const std::string& where() const { return where_; }

  // All tensors, shards in order of their names and each in order of its bytes.
  const std::vector<SafetensorsTensor>& tensors() const { return tensors_; }

  // Null when there is no such tensor.
  const SafetensorsTensor* find_tensor(std::string_view name) const;

  // The mapped files; empty for a file parsed from memory.
  const std::vector<std::shared_ptr<const MappedFile>>& files() const { return files_; }

 private:
  SafetensorsFile(std::string where, std::vector<SafetensorsTensor> tensors,
                  std::vector<std::shared_ptr<const MappedFile>> files);

  std::string where_;
  std::vector<SafetensorsTensor> tensors_;
  std::vector<uint32_t> by_name_;  // indices into tensors_, sorted by name
  std::vector<std::shared_ptr<const MappedFile>> files_;
};

}  // namespace oag
