#include "tests/golden/made_models.h"

#include "engine/tensor/quantize.h"
#include "tests/tiny_models.h"

namespace oag::test {
namespace {

void set_vocabulary(GgufWriter& writer, const Vocabulary& vocabulary) {
  const auto key = [](const char* name) { return std::string("tokenizer.ggml.") + name; };
  writer.set(key("model"), GgufValue::of(vocabulary.model));
  writer.set(key("pre"), GgufValue::of(vocabulary.pre));
  const std::vector<std::string_view> tokens(vocabulary.tokens.begin(), vocabulary.tokens.end());
  writer.set(key("tokens"), GgufValue::of_strings(tokens));
  writer.set(key("scores"), GgufValue::of_array<float>(vocabulary.scores));
  std::vector<int32_t> types;
  for (const TokenType type : vocabulary.types) types.push_back(static_cast<int32_t>(type));
  writer.set(key("token_type"), GgufValue::of_array<int32_t>(types));
  const auto set_id = [&](const char* name, const std::optional<TokenId>& id) {
    if (id) writer.set(key(name), GgufValue::of(static_cast<uint32_t>(*id)));
  };
  set_id("bos_token_id", vocabulary.bos);
  set_id("eos_token_id", vocabulary.eos);
  set_id("unknown_token_id", vocabulary.unknown);
  if (vocabulary.add_space_prefix)
    writer.set(key("add_space_prefix"), GgufValue::of(*vocabulary.add_space_prefix));
}

}  // namespace

void write_sentencepiece_model(const Vocabulary& vocabulary, const std::filesystem::path& to) {
  const auto from = GgufFile::open(tiny_model("llama", "bf16"));
  const auto size = static_cast<int64_t>(vocabulary.tokens.size());
  GgufWriter writer(to, {.overwrite = true});
  for (const auto& [key, value] : from->entries()) {
    if (key.starts_with("tokenizer.")) continue;
    writer.set(key, key == "llama.vocab_size" ? GgufValue::of(static_cast<uint32_t>(size)) : value);
  }
  set_vocabulary(writer, vocabulary);
  const auto is_table = [](const GgufTensor& tensor) { return tensor.name == "token_embd.weight"; };
  for (const GgufTensor& tensor : from->tensors()) {
    std::vector<int64_t> dims = tensor.dims;
    if (is_table(tensor)) dims[0] = size;
    writer.declare_tensor(tensor.name, tensor.dtype, dims);
  }
  for (const GgufTensor& tensor : from->tensors()) {
    writer.write(tensor.name, tensor.bytes);
    if (!is_table(tensor)) continue;
    const size_t row = row_bytes(tensor.dtype, tensor.dims[1]);
    writer.write(tensor.name, tensor.bytes.first(row * static_cast<size_t>(size - tensor.dims[0])));
  }
  writer.finish();
}

void rewrite_model(const std::filesystem::path& from, const std::filesystem::path& to,
                   const std::function<void(const std::string& name, StoredTensor&)>& edit) {
  const auto file = GgufFile::open(from);
  GgufWriter writer(to, {.overwrite = true});
  for (const auto& [key, value] : file->entries()) writer.set(key, value);
  std::vector<StoredTensor> edited;
  for (const GgufTensor& tensor : file->tensors()) {
    StoredTensor stored = {tensor.dtype, tensor.dims, {}};
    stored.values.resize(static_cast<size_t>(element_count(tensor.dims)));
    decode_blocks(tensor.dtype, tensor.bytes, stored.values);
    edit(tensor.name, stored);
    writer.declare_tensor(tensor.name, stored.dtype, stored.dims);
    edited.push_back(std::move(stored));
  }
  for (size_t i = 0; i < edited.size(); ++i) {
    const StoredTensor& stored = edited[i];
    std::vector<std::byte> blocks(tensor_bytes(stored.dtype, stored.dims));
    quantize_rows(stored.dtype, stored.values, stored.dims.back(), blocks);
    writer.write(file->tensors()[i].name, blocks);
  }
  writer.finish();
}

void write_long_context_model(const std::filesystem::path& to) {
  const auto from = GgufFile::open(tiny_model("llama", "bf16"));
  GgufWriter writer(to, {.overwrite = true});
  for (const auto& [key, value] : from->entries())
    writer.set(key, key == "llama.context_length" ? GgufValue::of(uint32_t{1} << 30) : value);
  for (const GgufTensor& tensor : from->tensors())
    writer.declare_tensor(tensor.name, tensor.dtype, tensor.dims);
  for (const GgufTensor& tensor : from->tensors()) writer.write(tensor.name, tensor.bytes);
  writer.finish();
}

}  // namespace oag::test
