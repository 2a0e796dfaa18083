#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "engine/formats/gguf/gguf_metadata.h"
#include "engine/formats/gguf/gguf_tensor.h"
#include "engine/formats/gguf/gguf_types.h"

namespace oag {

// An open GGUF model: its metadata and its tensors, which are views into the mapped file or, for a split
// model, files. Immutable, hence thread safe. The views live as long as this object.
class GgufFile : public GgufMetadata {
 public:
  // Opens a file, or all parts of a split model given any one of them ("name-00002-of-00005.gguf"; the
  // metadata is the first part's). Errors: kNotFound (naming missing parts), kIo, kUnsupported, kCorruptData;
  // see parse_gguf.
  static std::shared_ptr<const GgufFile> open(const std::filesystem::path& path);

  // The same for one file in memory, which must outlive the result. `name` stands in errors.
  static std::shared_ptr<const GgufFile> parse(std::span<const std::byte> bytes, const std::string& name);

  GgufFile(const GgufFile&) = delete;
  GgufFile& operator=(const GgufFile&) = delete;

  // All tensors, parts in order and each in file order, those of unreadable types included.
  const std::vector<GgufTensor>& tensors() const { return tensors_; }

  // Null when there is no such tensor. Errors: kUnsupported when its type is none that this engine computes
  // with.
  const GgufTensor* find_tensor(std::string_view name) const;
  // Errors: as find_tensor, and kNotFound.
  const GgufTensor& tensor(std::string_view name) const;

  // The mapped files in order of their parts; empty for a file parsed from memory.
  const std::vector<std::shared_ptr<const MappedFile>>& files() const { return files_; }

 private:
  GgufFile(GgufMetadata metadata, std::vector<GgufTensor> tensors,
           std::vector<std::shared_ptr<const MappedFile>> files);

  std::vector<GgufTensor> tensors_;
  std::vector<uint32_t> by_name_;  // indices into tensors_, sorted by name
  std::vector<std::shared_ptr<const MappedFile>> files_;
};

}  // namespace oag
