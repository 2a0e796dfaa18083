#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/file.h"
#include "engine/tensor/dtype.h"

namespace oag {

// Writes a safetensors file. First every tensor is declared, then the tensors' bytes follow in the same
// order, so that a model of any size passes through without being held in memory. Nothing stands under the
// final name until finish(). Not thread safe.
class SafetensorsWriter {
 public:
  // Errors: kIo, kNotFound (no such folder).
  explicit SafetensorsWriter(const std::filesystem::path& path);

  // A text of __metadata__, such as format: pt. Errors: kInvalidArgument for a repeated key, or when the
  // first tensor was already written.
  void set(std::string_view key, std::string_view value);

  // Declares a tensor, dims row-major (slowest first). Files that all readers take have the tensors of wider
  // types first. Errors: kInvalidArgument for a repeated name, a type that the format has no name for,
  // impossible dims, or when the first tensor was already written.
  void declare_tensor(std::string_view name, DType dtype, std::span<const int64_t> dims);

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
    std::string_view type;
    std::vector<int64_t> dims;
    uint64_t size_bytes;
  };

  void require_header_open(std::string_view name) const;
  void write_header();
  void skip_empty_tensors();

  std::string where_;
  AtomicFile file_;
  std::vector<std::pair<std::string, std::string>> metadata_;
  std::unordered_set<std::string> names_;
  std::vector<Declared> tensors_;
  bool header_written_ = false;
  size_t current_ = 0;          // the tensor whose bytes come next
  uint64_t current_bytes_ = 0;  // how many of them were written
};

}  // namespace oag
