#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/file.h"
#include "engine/formats/gguf/gguf_journal.h"
#include "engine/formats/gguf/gguf_value.h"
#include "engine/tensor/dtype.h"

namespace oag {

struct GgufWriteOptions {
  // Replace what stands under the name; otherwise an existing file is refused.
  bool overwrite = false;
  // Not empty: an unfinished write stays beside the target (".part" and ".part.journal"), and a later writer
  // of the same header that names the same inputs goes on behind the last complete tensor. The text is up to
  // the caller; whatever changes the tensors' bytes should change it, such as paths, sizes and times of the
  // sources and the way they are converted.
  std::string inputs;
};

// Writes a GGUF file of version 3. First every key and every tensor is declared, then the tensors' bytes
// follow in the same order, so that a model of any size passes through without being held in memory. Nothing
// stands under the final name until finish(), which flushes to disk first. Not thread safe.
class GgufWriter {
 public:
  // Errors: kInvalidArgument when the file exists and may not be overwritten; kIo, kNotFound (no such
  // folder); kBusy when another process writes a file to be resumed.
  explicit GgufWriter(const std::filesystem::path& path, GgufWriteOptions options = {});

  // Adds a key; keys keep their order. general.alignment (a u32) sets the alignment of tensor data, which is
  // 32 otherwise. Errors: kInvalidArgument for a malformed or repeated key, an alignment that the format
  // forbids, or when the first tensor was already written.
  void set(std::string_view key, GgufValue value);

  // Declares a tensor, dims row-major (slowest first). Errors: kInvalidArgument for a malformed or repeated
  // name, a type GGUF has no number for, impossible dims, or when the first tensor was already written.
  void declare_tensor(std::string_view name, DType dtype, std::span<const int64_t> dims);

  // Ends the declarations; gives how many tensors an interrupted write left complete and unharmed, whose
  // bytes are read once to see that. write() goes on with the next; without `inputs` that is the first, and
  // the call may be left out. Errors: kIo, with both numbers, when the file does not fit on the disk.
  size_t begin();

  // Appends bytes to the tensor `name`: one or more pieces a tensor, tensors in the order of their
  // declaration. Errors: kInvalidArgument when another tensor is due or the tensor gets more bytes than it
  // has; kIo.
  void write(std::string_view name, std::span<const std::byte> bytes);

  // Ends the file and puts it under its name. Errors: kInvalidArgument when a tensor's bytes are missing;
  // kIo.
  void finish();

 private:
  struct Declared {
    std::string name;
    uint32_t type_id;
    std::vector<int64_t> dims;
    uint64_t size_bytes;
    uint64_t padded_bytes = 0;  // up to the next tensor
  };

  void check_name(std::string_view name, std::string_view what) const;
  void require_header_open(std::string_view name) const;
  std::string header() const;
  size_t recover(const std::string& header);
  void append_data(std::span<const std::byte> bytes);
  void pad();
  // The path, when a file may be put there.
  const std::filesystem::path& free_target() const;

  std::filesystem::path path_;
  std::string where_;
  GgufWriteOptions options_;
  AtomicFile file_;
  std::optional<GgufJournal> journal_;
  Checksum checksum_;  // of the current tensor's bytes and padding
  uint64_t alignment_;
  std::string keys_;  // all key-value pairs as they stand in the file
  uint64_t key_count_ = 0;
  std::unordered_set<std::string> key_names_;
  std::unordered_set<std::string> tensor_names_;
  std::vector<Declared> tensors_;
  bool header_written_ = false;
  size_t current_ = 0;          // the tensor whose bytes come next
  uint64_t current_bytes_ = 0;  // how many of them were written
};

}  // namespace oag
