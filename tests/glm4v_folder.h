#pragma once

#include "llm/models/glm4v_vision.h"
#include "tests/hugging_face_folder.h"

namespace oag::test {

// The stored part of the tiny GLM-4.1V, see tests/data/glm4v/README.md.
inline std::filesystem::path glm4v_data() {
  return std::filesystem::path(OAG_SOURCE_DIR) / "tests" / "data" / "glm4v";
}

// A tensor as it stands in GGUF, as bf16: the model's vectors are stored as f32 there and exact in bf16.
inline MadeTensor as_bf16(const GgufTensor& from) {
  std::vector<float> values(static_cast<size_t>(element_count(Dims(from.dims))));
  decode_blocks(from.dtype, from.bytes, values);
  MadeTensor made = {DType::kBF16, Dims(from.dims), std::vector<std::byte>(2 * values.size())};
  quantize_rows(DType::kBF16, values, static_cast<int64_t>(values.size()), made.bytes);
  return made;
}

// Kernels of patches: one tensor a frame in GGUF, [out, channels, frames, rows, columns] in Hugging Face's.
inline MadeTensor join_frames(const MadeTensor& first, const MadeTensor& second) {
  MadeTensor joined = {DType::kBF16, {first.dims[0], first.dims[1], 2, first.dims[2], first.dims[3]}, {}};
  const size_t plane = static_cast<size_t>(first.dims[2] * first.dims[3]) * 2;
  for (size_t at = 0; at < first.bytes.size(); at += plane) {
    for (const MadeTensor* frame : {&first, &second}) {
      const auto begin = frame->bytes.begin() + static_cast<std::ptrdiff_t>(at);
      joined.bytes.insert(joined.bytes.end(), begin, begin + static_cast<std::ptrdiff_t>(plane));
    }
  }
  return joined;
}

// Rows of each head from halves (j, j + r/2) to pairs (2j, 2j + 1), where r of its values are rotated: GGUF
// files of models with M-RoPE have the first order, transformers the second.
inline void rows_to_pairs(MadeTensor& tensor, int64_t head_size, int64_t rotated) {
  const size_t row = tensor.bytes.size() / static_cast<size_t>(tensor.dims[0]);
  const std::vector<std::byte> from = tensor.bytes;
  for (int64_t i = 0; i < tensor.dims[0]; ++i) {
    const int64_t head = i / head_size, at = i % head_size, half = rotated / 2;
    if (at >= rotated) continue;
    const int64_t to = head * head_size + at % half * 2 + at / half;
    std::memcpy(&tensor.bytes[static_cast<size_t>(to) * row], &from[static_cast<size_t>(i) * row], row);
  }
}

// The tensors of the Hugging Face folder, by name.
inline MadeTensors glm4v_tensors() {
  const Json json = read_test_json(glm4v_data() / "config.json");
  const HuggingFaceConfig config = read_hugging_face_config(json, "config.json");
  MadeTensors tensors;
  for (const char* name : {"glm4v.bf16.gguf", "mmproj-glm4v.bf16.gguf"}) {
    const auto file = GgufFile::open(glm4v_data() / name);
    for (const GgufTensor& from : file->tensors()) {
      if (from.name.starts_with("v.patch_embd.weight")) continue;
      const bool of_tower = from.name.starts_with("v.") || from.name.starts_with("mm.");
      const auto made =
          hugging_face_tensor_name(of_tower ? kGlm4vVisionNames : config.family.type.names, from.name);
      if (!made) throw std::runtime_error("no Hugging Face name for " + from.name);
      MadeTensor& tensor = tensors.emplace(*made, as_bf16(from)).first->second;
      if (from.name.find("attn_q.") != std::string::npos || from.name.find("attn_k.") != std::string::npos)
        rows_to_pairs(tensor, config.text.head_size, config.text.rope_dims);
    }
    if (const GgufTensor* second = file->find_tensor("v.patch_embd.weight.1"))
      tensors.emplace("model.visual.patch_embed.proj.weight",
                      join_frames(as_bf16(file->tensor("v.patch_embd.weight")), as_bf16(*second)));
  }
  return tensors;
}

// Writes the folder as transformers saved it, its weights as bf16: what is stored, and model.safetensors made
// from the GGUF files. Throws std::runtime_error where names, shapes or values are not those of transformers.
inline void write_glm4v_folder(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  for (const auto& entry : std::filesystem::directory_iterator(glm4v_data()))
    std::filesystem::create_symlink(entry.path(), folder / entry.path().filename());
  const MadeTensors tensors = glm4v_tensors();
  Fnv1a hash;
  std::set<std::string> names;
  for (const auto& [name, tensor] : tensors) {
    names.insert(name);
    hash.add(name);
    for (const int64_t dim : tensor.dims) hash.add(static_cast<uint64_t>(dim));
    hash.add(std::span<const std::byte>(tensor.bytes));
  }
  std::istringstream expected(read_file(glm4v_data() / "weights_hash.txt"));
  std::string line;
  expected >> line;
  if (fmt::format("{:016x}", hash.value()) != line)
    throw std::runtime_error("the tensors of glm4v differ from those that transformers wrote");
  write_safetensors(folder / "model.safetensors", tensors, names);
}

// The folder, made on first use.
inline const std::filesystem::path& glm4v_folder() {
  static const std::filesystem::path folder = [] {
    std::filesystem::path made = tiny_models_detail::scratch_folder() / "made_glm4v";
    write_glm4v_folder(made);
    return made;
  }();
  return folder;
}

}  // namespace oag::test
