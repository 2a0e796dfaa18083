#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/file.h"
#include "engine/formats/gguf/gguf_value.h"
#include "engine/tensor/dtype.h"

namespace oag {

// Writes a GGUF file of version 3. First every key and every tensor is declared, then the tensors' bytes
// follow in the same order, so that a model of any size passes through without being held in memory. Nothing
// stands under the final name until finish(). Not thread safe.
class GgufWriter {
 public:
  // Errors: kIo, kNotFound (no such folder).
  explicit GgufWriter(const std::filesystem::path& path);

  // Adds a key; keys keep their order. general.alignment (a u32) sets the alignment of tensor data, which is
  // 32 otherwise. Errors: kInvalidArgument for a malformed or repeated key, an alignment that the format
  // forbids, or when the first tensor was already written.
  void set(std::string_view key, GgufValue value);

  // Declares a tensor, dims row-major (slowest first). Errors: kInvalidArgument for a malformed or repeated
  // name, a type GGUF has no number for, impossible dims, or when the first tensor was already written.
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
    uint32_t type_id;
    std::vector<int64_t> dims;
    uint64_t size_bytes;
  };

  void check_name(std::string_view name, std::string_view what) const;
  void require_header_open(std::string_view name) const;
  void write_header();
  void pad();

  std::string where_;
  AtomicFile file_;
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
