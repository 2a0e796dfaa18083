// A GGUF file of a real model's shape with random weights, to measure speed and memory with.
//
//   oag_make_random_model OUT.gguf [RECIPE]      default: q4_k_m
//
// The shape is GLM-4-9B's (text part of GLM-4.1V): 40 layers, hidden size 4096, 32 heads, 2 of keys and
// values, feed-forward size 13696, 151,552 tokens. Rows are drawn from kRowsKept quantised rows a type and
// length, so that the disk and not the quantiser sets the pace; what the model says means nothing.
#include <fmt/format.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/formats/gguf/gguf_writer.h"
#include "engine/formats/gguf/quant_recipe.h"
#include "engine/tensor/quantize.h"
#include "llm/bundle/gguf_keys.h"
#include "llm/text/byte_alphabet.h"

namespace oag {
namespace {

constexpr size_t kRowsKept = 64;
constexpr uint64_t kSeed = 1;
constexpr size_t kPieceBytes = size_t{8} << 20;

struct MadeTensor {
  std::string name;
  std::vector<int64_t> dims;
  DType dtype = DType::kF32;
};

TextConfig glm_config() {
  TextConfig config;
  config.architecture = "glm4";
  config.hidden_size = 4096;
  config.layers = 40;
  config.heads = 32;
  config.kv_heads = 2;
  config.head_size = 128;
  config.ffn_size = 13696;
  config.vocab_size = 151552;
  config.context_tokens = 65536;
  config.rope_dims = 64;
  config.rope_sections = {8, 12, 12};
  return config;
}

// The letters of the byte alphabet, then words of digits, then the control tokens of GLM.
Vocabulary made_vocabulary(int64_t tokens) {
  const std::vector<std::string> control = {
      "<|endoftext|>",   "[gMASK]",       "<sop>",     "<|system|>",
      "<|user|>",        "<|assistant|>", "<|image|>", "<|begin_of_image|>",
      "<|end_of_image|>"};
  Vocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.pre = "glm4";
  for (int byte = 0; byte < 256; ++byte) {
    const auto letter = static_cast<char>(byte);
    append_alphabet(vocabulary.tokens.emplace_back(), {&letter, 1});
  }
  vocabulary.tokens.emplace_back("ab");
  vocabulary.merges = {"a b"};
  while (vocabulary.tokens.size() + control.size() < static_cast<size_t>(tokens))
    vocabulary.tokens.push_back(fmt::format("w{}", vocabulary.tokens.size()));
  vocabulary.types.assign(vocabulary.tokens.size(), TokenType::kNormal);
  for (const std::string& token : control) {
    vocabulary.tokens.push_back(token);
    vocabulary.types.push_back(TokenType::kControl);
  }
  vocabulary.eos = static_cast<TokenId>(tokens - static_cast<int64_t>(control.size()));
  return vocabulary;
}

std::vector<MadeTensor> tensors_of(const TextConfig& config) {
  const int64_t h = config.hidden_size, f = config.ffn_size, q = config.heads * config.head_size,
                k = config.kv_heads * config.head_size;
  std::vector<MadeTensor> tensors = {{"token_embd.weight", {config.vocab_size, h}}};
  for (int64_t i = 0; i < config.layers; ++i) {
    const auto add = [&](const char* name, std::vector<int64_t> dims) {
      tensors.push_back({fmt::format("blk.{}.{}", i, name), std::move(dims)});
    };
    add("attn_norm.weight", {h});
    add("attn_q.weight", {q, h});
    add("attn_q.bias", {q});
    add("attn_k.weight", {k, h});
    add("attn_k.bias", {k});
    add("attn_v.weight", {k, h});
    add("attn_v.bias", {k});
    add("attn_output.weight", {h, q});
    add("post_attention_norm.weight", {h});
    add("ffn_norm.weight", {h});
    add("ffn_up.weight", {2 * f, h});
    add("ffn_down.weight", {h, f});
    add("post_ffw_norm.weight", {h});
  }
  tensors.push_back({"output_norm.weight", {h}});
  tensors.push_back({"output.weight", {config.vocab_size, h}});
  return tensors;
}

// Rows of random values, quantised once a type and length.
class RowPool {
 public:
  // Some row of `width` values stored as `dtype`.
  std::span<const std::byte> draw(DType dtype, int64_t width) {
    std::vector<std::byte>& rows = rows_[{dtype, width}];
    const size_t row = row_bytes(dtype, width);
    if (rows.empty()) {
      std::normal_distribution<float> normal(0.0f, 0.02f);
      std::vector<float> values(kRowsKept * static_cast<size_t>(width));
      for (float& value : values) value = normal(engine_);
      rows.resize(kRowsKept * row);
      quantize_rows(dtype, values, width, rows);
    }
    return std::span(rows).subspan(engine_() % kRowsKept * row, row);
  }

 private:
  std::mt19937_64 engine_{kSeed};
  std::map<std::pair<DType, int64_t>, std::vector<std::byte>> rows_;
};

void write_tensor(GgufWriter& writer, const MadeTensor& tensor, RowPool& pool) {
  if (tensor.name.find("norm.weight") != std::string::npos) {
    const std::vector<float> ones(static_cast<size_t>(tensor.dims[0]), 1.0f);
    return writer.write(tensor.name, std::as_bytes(std::span(ones)));
  }
  const int64_t rows = tensor.dims.size() > 1 ? tensor.dims[0] : 1;
  std::vector<std::byte> piece;
  for (int64_t i = 0; i < rows; ++i) {
    const auto row = pool.draw(tensor.dtype, tensor.dims.back());
    piece.insert(piece.end(), row.begin(), row.end());
    if (piece.size() < kPieceBytes && i + 1 < rows) continue;
    writer.write(tensor.name, piece);
    piece.clear();
  }
}

void make_model(const std::filesystem::path& path, QuantRecipe recipe) {
  ModelBundle bundle;
  bundle.path = path;
  bundle.title = "random GLM-4-9B";
  bundle.config = glm_config();
  bundle.tokenizer = Tokenizer::create(made_vocabulary(bundle.config.vocab_size));
  std::vector<MadeTensor> tensors = tensors_of(bundle.config);
  std::vector<QuantTensor> list;
  for (const MadeTensor& tensor : tensors) list.push_back({tensor.name, DType::kF32, tensor.dims});
  const std::vector<DType> types =
      choose_types(recipe, {bundle.config.layers, bundle.config.heads, bundle.config.kv_heads, 0}, list);
  GgufWriter writer(path);
  for (const GgufMetadata::Entry& entry : gguf_text_keys(bundle)) writer.set(entry.key, entry.value);
  writer.set("general.file_type", GgufValue::of(quant_recipe_info(recipe).file_type));
  for (size_t i = 0; i < tensors.size(); ++i) {
    tensors[i].dtype = types[i];
    writer.declare_tensor(tensors[i].name, types[i], tensors[i].dims);
  }
  RowPool pool;
  for (const MadeTensor& tensor : tensors) write_tensor(writer, tensor, pool);
  writer.finish();
}

}  // namespace
}  // namespace oag

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    fmt::print(stderr, "usage: oag_make_random_model OUT.gguf [RECIPE]\n");
    return 2;
  }
  try {
    oag::make_model(argv[1], oag::quant_recipe_from_name(argc > 2 ? argv[2] : "q4_k_m"));
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
