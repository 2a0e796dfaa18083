#pragma once

#include <stdlib.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "engine/formats/gguf/gguf_file.h"
#include "engine/formats/gguf/gguf_writer.h"
#include "engine/tensor/block_format.h"
#include "engine/tensor/quantize.h"
#include "tests/support/fnv1a.h"

namespace oag::test {

// The folder that holds <model>/…, see its README.md.
inline std::filesystem::path tiny_models_folder() {
  return std::filesystem::path(OAG_SOURCE_DIR) / "tests" / "data" / "models";
}

namespace tiny_models_detail {

// general.file_type as llama.cpp numbers it.
inline uint32_t file_type_of(std::string_view type) {
  constexpr std::pair<std::string_view, uint32_t> kFileTypes[] = {
      {"f32", 0}, {"f16", 1}, {"q4_0", 2}, {"q4_1", 3}, {"q8_0", 7}, {"q5_0", 8}, {"q5_1", 9}};
  for (const auto& [name, number] : kFileTypes) {
    if (name == type) return number;
  }
  throw std::runtime_error("no tiny model of type " + std::string(type));
}

inline std::string golden_hash(const std::string& model, const std::string& type) {
  std::istringstream lines(read_file(tiny_models_folder() / "derived_hashes.txt"));
  std::string line_model, line_type, hash;
  while (lines >> line_model >> line_type >> hash) {
    if (line_model == model && line_type == type) return hash;
  }
  throw std::runtime_error("derived_hashes.txt has no " + model + " " + type);
}

}  // namespace tiny_models_detail

// Writes `from` again with some keys changed.
inline void rewrite_keys(const std::filesystem::path& from,
                         const std::vector<std::pair<std::string, GgufValue>>& keys,
                         const std::filesystem::path& to) {
  const auto file = GgufFile::open(from);
  GgufWriter writer(to, {.overwrite = true});
  const auto changed = [&](const std::string& key) {
    return std::ranges::any_of(keys, [&](const auto& each) { return each.first == key; });
  };
  for (const auto& [key, value] : file->entries()) {
    if (!changed(key)) writer.set(key, value);
  }
  for (const auto& [key, value] : keys) writer.set(key, value);
  for (const GgufTensor& tensor : file->tensors())
    writer.declare_tensor(tensor.name, tensor.dtype, tensor.dims);
  for (const GgufTensor& tensor : file->tensors()) writer.write(tensor.name, tensor.bytes);
  writer.finish();
}

namespace tiny_models_detail {

// Writes `from` again with every matrix stored as `type`.
inline void rewrite(const GgufFile& from, const std::string& type, const std::filesystem::path& to) {
  const DType wanted = dtype_from_name(type).value();
  GgufWriter writer(to, {.overwrite = true});
  for (const auto& [key, value] : from.entries()) {
    writer.set(key, key == "general.file_type" ? GgufValue::of(file_type_of(type)) : value);
  }
  const auto stored_as = [&](const GgufTensor& tensor) {
    const bool is_router = tensor.name.find("ffn_gate_inp") != std::string::npos;
    return tensor.dims.size() > 1 && !is_router ? wanted : DType::kF32;
  };
  for (const GgufTensor& tensor : from.tensors())
    writer.declare_tensor(tensor.name, stored_as(tensor), tensor.dims);
  for (const GgufTensor& tensor : from.tensors()) {
    const DTypeInfo& info = dtype_info(tensor.dtype);
    std::vector<float> values(tensor.bytes.size() / info.block_bytes * info.block_values);
    decode_blocks(tensor.dtype, tensor.bytes, values);
    std::vector<std::byte> blocks(row_bytes(stored_as(tensor), static_cast<int64_t>(values.size())));
    quantize_rows(stored_as(tensor), values, tensor.dims.back(), blocks);
    writer.write(tensor.name, blocks);
  }
  writer.finish();
}

// A folder of this process, removed at its end.
inline const std::filesystem::path& scratch_folder() {
  struct Scratch {
    Scratch() {
      std::string pattern = (std::filesystem::temp_directory_path() / "oag_tiny_models.XXXXXX").string();
      if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make " + pattern);
      path = pattern;
    }
    ~Scratch() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
    std::filesystem::path path;
  };
  static const Scratch scratch;
  return scratch.path;
}

}  // namespace tiny_models_detail

// The path of a tiny model: "bf16" of llama, llama3, qwen2, qwen3, glm4, glm and the K types of llama_k stand
// in the tree; "f32", "f16", "q4_0", … are made from bf16 on first use and must have the hash of the file
// that gguf-py wrote. Throws std::runtime_error for models and types that do not exist.
inline std::filesystem::path tiny_model(const std::string& model, const std::string& type) {
  namespace detail = tiny_models_detail;
  const std::string name = model + "." + type + ".gguf";
  const std::filesystem::path stored = tiny_models_folder() / model / name;
  if (std::filesystem::exists(stored)) return stored;
  const std::filesystem::path derived = detail::scratch_folder() / name;
  if (std::filesystem::exists(derived)) return derived;
  const std::string expected = detail::golden_hash(model, type);
  detail::rewrite(*GgufFile::open(tiny_models_folder() / model / (model + ".bf16.gguf")), type, derived);
  if (fnv1a(read_file(derived)) != expected) {
    std::filesystem::remove(derived);
    throw std::runtime_error(name + " differs from the file that gguf-py wrote");
  }
  return derived;
}

}  // namespace oag::test
