#pragma once

#include <cstring>
#include <map>
#include <set>
#include <span>
#include <string>
#include <tuple>

#include "base/json.h"
#include "engine/formats/safetensors/safetensors_writer.h"
#include "llm/models/hugging_face_config.h"
#include "tests/tiny_models.h"

namespace oag::test {

// A tensor on its way into a made Hugging Face folder.
struct MadeTensor {
  DType dtype;
  Dims dims;
  std::vector<std::byte> bytes;
};
using MadeTensors = std::map<std::string, MadeTensor>;  // by Hugging Face name

inline std::filesystem::path hugging_face_data() {
  return std::filesystem::path(OAG_SOURCE_DIR) / "tests" / "data" / "hugging_face";
}

inline Json read_test_json(const std::filesystem::path& path) {
  return parse_json(read_file(path), path.string());
}

inline void write_test_file(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

// Rows of each head from interleaved pairs (2j, 2j + 1) to halves (j, j + d/2): what GGUF's order of the rows
// of q and k in a Llama is to transformers'.
inline void rows_to_halves(MadeTensor& tensor, int64_t head_size) {
  const size_t row = tensor.bytes.size() / static_cast<size_t>(tensor.dims[0]);
  const std::vector<std::byte> from = tensor.bytes;
  for (int64_t i = 0; i < tensor.dims[0]; ++i) {
    const int64_t head = i / head_size, at = i % head_size;
    const int64_t to = head * head_size + (at % 2) * head_size / 2 + at / 2;
    std::memcpy(&tensor.bytes[static_cast<size_t>(to) * row], &from[static_cast<size_t>(i) * row], row);
  }
}

// One of the matrices that a GGUF tensor stacks.
inline GgufTensor part_of(const GgufTensor& tensor, const std::string& name, int64_t i) {
  GgufTensor part = tensor;
  const size_t size = tensor.bytes.size() / static_cast<size_t>(tensor.dims[0]);
  part.name = name;
  part.dims.erase(part.dims.begin());
  part.bytes = tensor.bytes.subspan(static_cast<size_t>(i) * size, size);
  return part;
}

// A view of some rows of a GGUF tensor under another name.
inline GgufTensor rows_of(const GgufTensor& tensor, const std::string& name, int64_t begin, int64_t count) {
  const size_t row = tensor.bytes.size() / static_cast<size_t>(tensor.dims[0]);
  GgufTensor part = tensor;
  part.name = name;
  part.dims[0] = count;
  part.bytes = tensor.bytes.subspan(static_cast<size_t>(begin) * row, static_cast<size_t>(count) * row);
  return part;
}

// The tensors of a file, with q, k and v and experts apart where it has them in one, without those of layers
// that predict further tokens.
inline std::vector<GgufTensor> separate_tensors(const GgufFile& file, const TextConfig& config) {
  std::vector<GgufTensor> tensors;
  const int64_t q = config.heads * config.head_size, k = config.kv_heads * config.head_size;
  for (const GgufTensor& tensor : file.tensors()) {
    if (tensor.name.starts_with(fmt::format("blk.{}.", config.layers))) continue;
    if (const size_t end = tensor.name.find("_exps.weight"); end != std::string::npos) {
      for (int64_t i = 0; i < tensor.dims[0]; ++i)
        tensors.push_back(
            part_of(tensor, fmt::format("{}_exps.{}.weight", tensor.name.substr(0, end), i), i));
      continue;
    }
    const size_t at = tensor.name.find("attn_qkv");
    if (at == std::string::npos) {
      tensors.push_back(tensor);
      continue;
    }
    for (const auto& [part, begin, count] :
         {std::tuple("attn_q", int64_t{0}, q), std::tuple("attn_k", q, k), std::tuple("attn_v", q + k, k)}) {
      std::string name = tensor.name;
      tensors.push_back(rows_of(tensor, name.replace(at, 8, part), begin, count));
    }
  }
  return tensors;
}

// The tensors of a tiny model as transformers names and orders them, made from its bf16 GGUF file; llama_k,
// of which there are K types alone, from q6_k.
inline MadeTensors made_tensors(const std::string& gguf_model, const HuggingFaceConfig& config, DType dtype) {
  MadeTensors tensors;
  const auto file = GgufFile::open(tiny_model(gguf_model, gguf_model == "llama_k" ? "q6_k" : "bf16"));
  const NameTable& names = config.family.type.names;
  for (const GgufTensor& from : separate_tensors(*file, config.text)) {
    if (from.name == "rope_freqs.weight") continue;  // which config.json says as numbers
    const auto name = hugging_face_tensor_name(names, from.name);
    if (!name) throw std::runtime_error("no Hugging Face name for " + from.name);
    std::vector<float> values(static_cast<size_t>(element_count(Dims(from.dims))));
    decode_blocks(from.dtype, from.bytes, values);
    // transformers keeps the biases that choose experts in f32.
    const DType stored = from.name.find("exp_probs_b") != std::string::npos ? DType::kF32 : dtype;
    MadeTensor made = {stored, Dims(from.dims), {}};
    made.bytes.resize(row_bytes(stored, static_cast<int64_t>(values.size())));
    quantize_rows(stored, values, static_cast<int64_t>(values.size()), made.bytes);
    const bool is_rotated =
        from.name.find("attn_q.") != std::string::npos || from.name.find("attn_k.") != std::string::npos;
    if (gguf_model.starts_with("llama") && is_rotated) rows_to_halves(made, config.text.head_size);
    tensors.emplace(*name, std::move(made));
  }
  return tensors;
}

// Writes the tensors `names` as safetensors' own library does for transformers: wider types first, then by
// name.
inline void write_safetensors(const std::filesystem::path& path, const MadeTensors& tensors,
                              const std::set<std::string>& names) {
  SafetensorsWriter writer(path);
  writer.set("format", "pt");
  const auto each = [&](const auto& take) {
    for (const bool wide : {true, false}) {
      for (const std::string& name : names)
        if ((tensors.at(name).dtype == DType::kF32) == wide) take(name, tensors.at(name));
    }
  };
  each([&](const std::string& name, const MadeTensor& made) {
    writer.declare_tensor(name, made.dtype, made.dims);
  });
  each([&](const std::string& name, const MadeTensor& made) { writer.write(name, made.bytes); });
  writer.finish();
}

// In one file, or in shards where the folder has an index.
inline void write_weights(const std::filesystem::path& folder, const MadeTensors& tensors) {
  std::map<std::string, std::set<std::string>> shards;
  const std::filesystem::path index = folder / "model.safetensors.index.json";
  if (std::filesystem::exists(index)) {
    const Json weight_map = read_test_json(index).at("weight_map");
    for (const auto& [name, shard] : weight_map.items()) shards[shard.get<std::string>()].insert(name);
  } else {
    for (const auto& [name, tensor] : tensors) shards["model.safetensors"].insert(name);
  }
  for (const auto& [shard, names] : shards) write_safetensors(folder / shard, tensors, names);
}

inline std::string golden_file_hash(const std::string& model, const std::string& file) {
  std::istringstream lines(read_file(hugging_face_data() / "file_hashes.txt"));
  std::string line_model, line_file, hash;
  while (lines >> line_model >> line_file >> hash) {
    if (line_model == model && line_file == file) return hash;
  }
  throw std::runtime_error("file_hashes.txt has no " + model + " " + file);
}

// Copies what a folder has beside its weights.
inline void copy_small_files(const std::string& model, const std::filesystem::path& to) {
  std::filesystem::create_directories(to);
  for (const auto& entry : std::filesystem::directory_iterator(hugging_face_data() / model)) {
    if (entry.is_regular_file())
      std::filesystem::copy_file(entry.path(), to / entry.path().filename(),
                                 std::filesystem::copy_options::overwrite_existing);
  }
  const std::string tokenizer = model.starts_with("llama")  ? "llama"
                                : model.starts_with("qwen") ? "qwen"
                                                            : "glm";
  std::filesystem::copy_file(hugging_face_data() / "tokenizers" / tokenizer / "tokenizer.json",
                             to / "tokenizer.json", std::filesystem::copy_options::overwrite_existing);
}

// A folder of this test, empty; removed at the end of the process.
inline std::filesystem::path fresh_folder(const std::string& name) {
  const std::filesystem::path folder = tiny_models_detail::scratch_folder() / name;
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

// The Hugging Face folder of a tiny model (see tests/data/hugging_face/README.md), made on first use. Its
// files have the hashes of those that transformers wrote (llama_k has values that no folder of theirs had).
// Throws std::runtime_error otherwise.
inline std::filesystem::path hugging_face_folder(const std::string& model) {
  const std::filesystem::path folder = tiny_models_detail::scratch_folder() / ("hf_" + model);
  if (std::filesystem::exists(folder / "done")) return folder;
  copy_small_files(model, folder);
  if (!std::filesystem::exists(folder / "model.safetensors")) {
    const HuggingFaceConfig config =
        read_hugging_face_config(read_test_json(folder / "config.json"), "config.json");
    const bool is_bf16 = model.ends_with("_bf16");
    write_weights(folder, made_tensors(is_bf16 ? model.substr(0, model.size() - 5) : model, config,
                                       is_bf16 ? DType::kBF16 : DType::kF32));
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() != ".safetensors" || model == "llama_k") continue;
      const std::string hash = fnv1a(read_file(entry.path()));
      if (hash != golden_file_hash(model, entry.path().filename().string()))
        throw std::runtime_error(entry.path().string() + " differs from the file that transformers wrote");
    }
  }
  write_test_file(folder / "done", "");
  return folder;
}

}  // namespace oag::test
