#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/formats/gguf/gguf_file.h"
#include "engine/formats/safetensors/safetensors_file.h"
#include "engine/tensor/tensor.h"
#include "llm/models/tensor_names.h"

namespace oag {

// A tensor of a model file, whatever its format.
struct StoredTensor {
  std::string name;                 // the file's own
  std::string gguf_name;            // empty for one that is no part of the text model
  std::string type_name;            // "q4_k", "bf16"; what the file calls it for a type nothing computes with
  DType dtype = DType::kUndefined;  // kUndefined: such a type
  Dims dims;                        // row-major
  std::span<const std::byte> bytes;  // a view into the file
  const MappedFile* file = nullptr;  // that holds the bytes; null for a file parsed from memory
};

// All tensors of a file, in its order; those of safetensors without a GGUF name.
std::vector<StoredTensor> list_tensors(const GgufFile& file);
std::vector<StoredTensor> list_tensors(const SafetensorsFile& file);

// The tensors of a model under GGUF's names, as views into the mapped files. Immutable, hence thread safe;
// copies share the files.
class Weights {
 public:
  explicit Weights(std::shared_ptr<const GgufFile> file);

  // The same of safetensors files through a family's names. `tied_head`: the head is the embedding, whatever
  // else the file has; unknown: it is where the file has no head. Errors: kUnsupported for tensors that
  // belong to the text model and that the family does not have, quantised ones among them, kCorruptData for a
  // layer that lacks what others have and for one past the last, unless it predicts further tokens.
  struct Naming {
    const NameTable& names;
    std::string_view family;  // stands in errors
    int64_t layers;
    std::optional<bool> tied_head;
    int64_t first_layers = 0;  // that differ from those after them
  };
  Weights(std::shared_ptr<const SafetensorsFile> file, const Naming& naming);

  // The part of safetensors files that a table of a vision tower names. Errors: kUnsupported for a further
  // tensor of the tower.
  Weights(std::shared_ptr<const SafetensorsFile> file, const NameTable& vision);

  // A tensor that must have exactly these dims. Errors: kNotFound, kCorruptData, kUnsupported for a type that
  // no kernel takes; naming file, tensor, seen and expected.
  Tensor get(std::string_view name, const Dims& dims) const;
  // The same, or nothing when the file does not have it.
  std::optional<Tensor> find(std::string_view name, const Dims& dims) const;
  // `count` matrices of `dims`: the tensor <name>.weight of dims [count, …], or as many as <name>.<i>.weight.
  // Views of the file either way. Errors: as get.
  std::vector<Tensor> get_stack(std::string_view name, int64_t count, const Dims& dims) const;
  bool has(std::string_view name) const { return entry(name) != nullptr; }
  // Null when there is no such tensor.
  const StoredTensor* entry(std::string_view name) const;

  // To be called when a graph is built: refuses tensors that it should hold and that nothing asked for, as
  // what they are for is left out. Errors: kCorruptData for layers that the config does not count,
  // kUnsupported for others; naming one.
  void refuse_unread() const;

  // Names the file or folder in errors.
  const std::string& where() const { return where_; }
  // All tensors, in the files' order.
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  const std::vector<std::shared_ptr<const MappedFile>>& files() const { return files_; }

 private:
  void index_names();

  std::string where_;
  std::vector<StoredTensor> tensors_;
  std::vector<uint32_t> by_name_;  // indices into tensors_ of those with a GGUF name, sorted by it
  std::shared_ptr<std::vector<std::atomic<bool>>> read_;  // which of tensors_ something asked for
  std::vector<std::shared_ptr<const MappedFile>> files_;
  std::shared_ptr<const void> owner_;  // keeps the views alive
};

}  // namespace oag
