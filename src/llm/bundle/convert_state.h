#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/formats/gguf/gguf_journal.h"
#include "llm/models/weights.h"

namespace oag {

// A checksum of the bytes of tensors, one behind the other.
uint64_t checksum_of_tensors(const std::vector<StoredTensor>& tensors);

// The file that says what an unfinished conversion has finished: a line that names the conversion, then
// "CHECKSUM BYTES NAME" a file with weights, which stands beside it. The checksum is that of its tensors.
class ConvertState {
 public:
  enum class Found { kNone, kOwn, kOther };

  // `inputs` tells the conversion from others.
  ConvertState(std::filesystem::path path, const std::string& inputs);

  // Errors: those of read_file.
  Found read();
  // Whether a file was finished and stands there as it was left; reads it.
  bool holds(const std::string& name) const;
  // Errors: kIo.
  void add(const std::string& name, uint64_t checksum);
  void save() const;
  void remove() const;

 private:
  struct Entry {
    std::string name;
    uint64_t checksum = 0, bytes = 0;
  };

  std::filesystem::path path_;
  std::string first_line_;
  std::vector<Entry> finished_;
};

// Writes a small file, whole or not at all. Errors: kIo.
void write_small_file(const std::filesystem::path& path, std::string_view text);

}  // namespace oag
