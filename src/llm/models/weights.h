#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/formats/gguf/gguf_file.h"
#include "engine/tensor/tensor.h"

namespace oag {

// The tensors of a model under GGUF's names, as views into the mapped file.
class Weights {
 public:
  explicit Weights(std::shared_ptr<const GgufFile> file) : file_(std::move(file)) {}

  // A tensor that must have exactly these dims. Errors: kNotFound, kCorruptData, naming file, tensor, seen
  // and expected.
  Tensor get(std::string_view name, const Dims& dims) const;
  // The same, or nothing when the file does not have it.
  std::optional<Tensor> find(std::string_view name, const Dims& dims) const;
  bool has(std::string_view name) const { return file_->find_tensor(name) != nullptr; }

  const GgufFile& file() const { return *file_; }

 private:
  std::shared_ptr<const GgufFile> file_;
};

}  // namespace oag
