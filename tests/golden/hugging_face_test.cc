// Tiny Hugging Face folders against transformers, see tests/data/hugging_face/README.md.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "tests/golden/model_probe.h"
#include "tests/hugging_face_folder.h"
#include "tests/npy.h"

namespace oag::test {
namespace {

// f32 arithmetic on both sides, logits of up to about 30; bf16 weights are exact in f32.
constexpr double kTolerance = 1e-4;

struct Reference {
  std::vector<TokenId> prompt, tokens;
  std::vector<float> logits;  // [tokens, vocab]
};

Reference load_reference(const std::filesystem::path& folder, const std::string& name) {
  return {load_npy<int32_t>(folder / (name + ".input_ids.npy")).values,
          load_npy<int32_t>(folder / (name + ".tokens.npy")).values,
          load_npy<float>(folder / (name + ".step_logits.npy")).values};
}

// Greedy tokens equal and logits near, whether the prompt comes in one step or in pieces.
void expect_reference(const ModelBundle& bundle, const Reference& reference) {
  ModelProbe probe(bundle, {.cache_dtype = DType::kF32});
  double largest = 0;
  for (const int64_t chunk : {INT64_MAX, int64_t{7}}) {
    Lane lane;
    lane.prompt = reference.prompt;
    lane.answer_tokens = static_cast<int64_t>(reference.tokens.size());
    lane.chunk = chunk;
    lane.on_logits = [&](int64_t position, std::span<const float> logits) {
      const int64_t answer = position - (static_cast<int64_t>(reference.prompt.size()) - 1);
      if (answer < 0) return;
      const auto expected =
          std::span(reference.logits).subspan(logits.size() * static_cast<size_t>(answer), logits.size());
      largest = std::max(largest, largest_difference(logits, expected));
    };
    probe.run(lane);
    EXPECT_EQ(lane.greedy, reference.tokens) << "in chunks of " << chunk;
  }
  EXPECT_LE(largest, kTolerance);
  fmt::print("largest difference of a logit: {:.1e}\n", largest);
}

std::filesystem::path reference_folder(const std::string& model) {
  const std::string weights = model.ends_with("_bf16") ? model.substr(0, model.size() - 5) : model;
  return tiny_models_folder() / weights / "ref";
}

class HuggingFaceModel : public ::testing::TestWithParam<const char*> {};

TEST_P(HuggingFaceModel, GivesTheTokensAndLogitsOfTransformers) {
  const ModelBundle bundle = load_bundle(hugging_face_folder(GetParam()));
  for (const char* name : {"text", "long"})
    expect_reference(bundle, load_reference(reference_folder(GetParam()), name));
}

TEST_P(HuggingFaceModel, IsReadAlikeFromTheConfigOfTransformers5) {
  const std::filesystem::path from = hugging_face_data() / GetParam();
  const TextConfig old_layout = read_hugging_face_config(read_test_json(from / "config.json"), "old").text;
  const TextConfig new_layout = read_hugging_face_config(read_test_json(from / "config.v5.json"), "new").text;
  EXPECT_EQ(old_layout.rope_theta, new_layout.rope_theta);
  EXPECT_EQ(old_layout.rope_dims, new_layout.rope_dims);
  EXPECT_EQ(old_layout.rope_scaling.kind, new_layout.rope_scaling.kind);
  EXPECT_EQ(old_layout.rope_scaling.factor, new_layout.rope_scaling.factor);
  EXPECT_EQ(old_layout.rope_scaling.original_context, new_layout.rope_scaling.original_context);
  EXPECT_EQ(old_layout.head_size, new_layout.head_size);
  EXPECT_EQ(old_layout.attention_window, new_layout.attention_window);
}

TEST_P(HuggingFaceModel, IsDescribedAsItIsStored) {
  const ModelBundle bundle = load_bundle(hugging_face_folder(GetParam()));
  const std::string model = GetParam();
  const bool is_bf16 = model.ends_with("_bf16");
  EXPECT_EQ(bundle.precision(), is_bf16 ? "bf16" : "f32");
  EXPECT_EQ(bundle.name(), "hf_" + model);
  const uint64_t in_f32 = model == "glm4moe_bf16" ? 2 * 8 : 0;  // the biases of two layers of experts
  EXPECT_EQ(bundle.weight_bytes(),
            (static_cast<uint64_t>(bundle.parameters()) - in_f32) * (is_bf16 ? 2 : 4) + in_f32 * 4);
  for (const StoredTensor& tensor : bundle.weights->tensors()) {
    EXPECT_EQ(
        hugging_face_tensor_name(
            find_hugging_face_family(
                read_test_json(hugging_face_data() / model / "config.json")["model_type"].get<std::string>(),
                "")
                .type.names,
            tensor.gguf_name),
        tensor.name);
  }
}

INSTANTIATE_TEST_SUITE_P(All, HuggingFaceModel,
                         ::testing::Values("llama", "llama3", "qwen2", "qwen3", "qwen3_bf16", "glm4", "glm",
                                           "glm4moe", "glm4moe_bf16"),
                         [](const auto& info) { return std::string(info.param); });

// --- other configs over the same weights

struct Variant {
  const char* name;
  const char* model;
};

class HuggingFaceVariant : public ::testing::TestWithParam<Variant> {};

TEST_P(HuggingFaceVariant, GivesTheTokensAndLogitsOfTransformers) {
  const std::filesystem::path data = hugging_face_data() / "variants" / GetParam().name;
  const std::filesystem::path folder = fresh_folder(std::string("variant_") + GetParam().name);
  const std::filesystem::path model = hugging_face_folder(GetParam().model);
  for (const char* file : {"model.safetensors", "tokenizer.json"})
    std::filesystem::create_symlink(model / file, folder / file);
  std::filesystem::copy_file(data / "config.json", folder / "config.json");
  expect_reference(load_bundle(folder), load_reference(data, "long"));
}

INSTANTIATE_TEST_SUITE_P(All, HuggingFaceVariant,
                         ::testing::Values(Variant{"linear", "llama"}, Variant{"yarn", "llama"},
                                           Variant{"yarn_options", "qwen3"}, Variant{"window", "llama"},
                                           Variant{"window_layers", "qwen2"},
                                           Variant{"window_types", "qwen3"}),
                         [](const auto& info) { return std::string(info.param.name); });

// What a config.json says in keys of GGUF, in a file of the same weights.
struct GgufVariant {
  const char* name;
  std::vector<std::pair<std::string, GgufValue>> keys;
};

TEST(GgufVariants, KeysGiveWhatTheConfigOfTransformersGives) {
  const GgufVariant kVariants[] = {
      {"linear",
       {{"llama.rope.scaling.type", GgufValue::of(std::string("linear"))},
        {"llama.rope.scaling.factor", GgufValue::of(4.0f)}}},
      {"yarn",
       {{"llama.rope.scaling.type", GgufValue::of(std::string("yarn"))},
        {"llama.rope.scaling.factor", GgufValue::of(8.0f)},
        {"llama.rope.scaling.original_context_length", GgufValue::of(uint32_t{32})}}},
      {"window", {{"llama.attention.sliding_window", GgufValue::of(uint32_t{20})}}},
  };
  for (const GgufVariant& variant : kVariants) {
    const std::filesystem::path path = fresh_folder("gguf_variant") / "model.gguf";
    rewrite_keys(tiny_model("llama", "bf16"), variant.keys, path);
    expect_reference(load_bundle(path),
                     load_reference(hugging_face_data() / "variants" / variant.name, "long"));
  }
}

// The same weights under the names and keys of GLM-4.1V's text part, in the places where these were put.
TEST(HuggingFaceGlm4v, TextPartIsFoundUnderEveryPrefixAndLayoutOfItsConfig) {
  const Json plain = read_test_json(hugging_face_data() / "glm4" / "config.json");
  const HuggingFaceConfig config = read_hugging_face_config(plain, "config.json");
  const MadeTensors tensors = made_tensors("glm4", config, DType::kF32);
  for (const std::string prefix : {"model.language_model.", "language_model.model.", "model."}) {
    const std::filesystem::path folder = fresh_folder("glm4v");
    copy_small_files("glm", folder);
    MadeTensors renamed;
    for (const auto& [name, tensor] : tensors)
      renamed.emplace(name.starts_with("model.") ? prefix + name.substr(6) : name, tensor);
    renamed.emplace("model.visual.blocks.0.norm1.weight",
                    MadeTensor{DType::kF32, {1}, std::vector<std::byte>(4)});
    std::filesystem::remove(folder / "model.safetensors");
    write_weights(folder, renamed);
    Json text = plain;
    text.erase("tie_word_embeddings");
    text["model_type"] = "glm4v_text";
    text["rope_scaling"] = {{"type", "default"}, {"mrope_section", {2, 3, 3}}};
    Json nested = {{"model_type", "glm4v"}, {"tie_word_embeddings", false}, {"text_config", text}};
    if (prefix == "model.") {  // the flat layout
      nested = text;
      nested["model_type"] = "glm4v";
    }
    write_test_file(folder / "config.json", nested.dump());
    const ModelBundle bundle = load_bundle(folder);
    EXPECT_EQ(bundle.config.rope_sections, (std::vector<int64_t>{2, 3, 3}));
    expect_reference(bundle, load_reference(tiny_models_folder() / "glm4" / "ref", "text"));
  }
}

std::vector<std::byte> joined(std::initializer_list<const MadeTensor*> parts) {
  std::vector<std::byte> bytes;
  for (const MadeTensor* part : parts) bytes.insert(bytes.end(), part->bytes.begin(), part->bytes.end());
  return bytes;
}

// ChatGLM's own code has other names and keys and q, k and v in one tensor.
TEST(HuggingFaceChatGlm, OwnNamesAndKeysGiveTheSameModel) {
  const Json plain = read_test_json(hugging_face_data() / "glm" / "config.json");
  MadeTensors tensors = made_tensors("glm", read_hugging_face_config(plain, "config.json"), DType::kF32), own;
  for (const auto& [name, tensor] : tensors) {
    std::string renamed = name;
    const auto replace = [&](std::string_view from, std::string_view to) {
      if (const size_t at = renamed.find(from); at != std::string::npos) renamed.replace(at, from.size(), to);
    };
    replace("model.embed_tokens", "transformer.embedding.word_embeddings");
    replace("model.norm", "transformer.encoder.final_layernorm");
    replace("lm_head", "transformer.output_layer");
    replace("model.layers", "transformer.encoder.layers");
    replace("self_attn.o_proj", "self_attention.dense");
    replace("mlp.gate_up_proj", "mlp.dense_h_to_4h");
    replace("mlp.down_proj", "mlp.dense_4h_to_h");
    if (renamed.find("k_proj") != std::string::npos || renamed.find("v_proj") != std::string::npos) continue;
    MadeTensor made = tensor;
    if (const size_t at = name.find("q_proj"); at != std::string::npos) {
      std::string k = name, v = name;
      k[at] = 'k', v[at] = 'v';
      made.bytes = joined({&tensor, &tensors.at(k), &tensors.at(v)});
      made.dims[0] += tensors.at(k).dims[0] + tensors.at(v).dims[0];
      replace("self_attn.q_proj", "self_attention.query_key_value");
    }
    own.emplace(renamed, std::move(made));
  }
  own.emplace("transformer.rotary_pos_emb.inv_freq", MadeTensor{DType::kF32, {1}, std::vector<std::byte>(4)});
  const std::filesystem::path folder = fresh_folder("chatglm");
  copy_small_files("glm", folder);
  write_weights(folder, own);
  const Json config = {{"model_type", "chatglm"},
                       {"num_layers", plain["num_hidden_layers"]},
                       {"hidden_size", plain["hidden_size"]},
                       {"num_attention_heads", plain["num_attention_heads"]},
                       {"multi_query_attention", true},
                       {"multi_query_group_num", plain["num_key_value_heads"]},
                       {"kv_channels", plain["head_dim"]},
                       {"ffn_hidden_size", plain["intermediate_size"]},
                       {"padded_vocab_size", plain["vocab_size"]},
                       {"layernorm_epsilon", plain["rms_norm_eps"]},
                       {"seq_length", plain["max_position_embeddings"]},
                       {"rmsnorm", true},
                       {"add_qkv_bias", true},
                       {"add_bias_linear", false},
                       {"rope_ratio", 1},
                       {"eos_token_id", plain["eos_token_id"]}};
  write_test_file(folder / "config.json", config.dump());
  expect_reference(load_bundle(folder), load_reference(tiny_models_folder() / "glm" / "ref", "text"));
}

// --- words

TEST(HuggingFaceWords, EndsOfAnswersAreThoseOfBothConfigsAndOfTheTokenizer) {
  const std::filesystem::path folder = fresh_folder("ends");
  const std::filesystem::path model = hugging_face_folder("glm");
  for (const char* file : {"model.safetensors", "tokenizer.json"})
    std::filesystem::create_symlink(model / file, folder / file);
  Json config = read_test_json(model / "config.json");
  config["eos_token_id"] = {7, 8};
  write_test_file(folder / "config.json", config.dump());
  write_test_file(folder / "generation_config.json", R"({"eos_token_id": [8, 9, 100000]})");
  write_test_file(folder / "tokenizer_config.json",
                  R"({"eos_token": {"content": "<eop>"}, "pad_token": null})");
  const auto tokenizer = load_tokenizer(folder);
  for (const TokenId id : {7, 8, 9, *tokenizer->find("<eop>")}) EXPECT_TRUE(tokenizer->is_end(id)) << id;
  EXPECT_FALSE(tokenizer->is_end(10));
}

TEST(HuggingFaceWords, ChatTemplateComesFromTheFirstFileThatHasOne) {
  const std::filesystem::path folder = fresh_folder("templates");
  const std::filesystem::path model = hugging_face_folder("qwen2");
  for (const char* file : {"model.safetensors", "tokenizer.json", "config.json"})
    std::filesystem::create_symlink(model / file, folder / file);
  EXPECT_TRUE(load_bundle(folder).template_is_fallback());
  write_test_file(
      folder / "tokenizer_config.json",
      R"({"chat_template": [{"name": "tools", "template": "t"}, {"name": "default", "template": "a"}]})");
  EXPECT_EQ(load_bundle(folder).chat_template, "a");
  write_test_file(folder / "chat_template.json", R"({"chat_template": "b"})");
  EXPECT_EQ(load_bundle(folder).chat_template, "b");
  write_test_file(folder / "chat_template.jinja", "c");
  EXPECT_EQ(load_bundle(folder).chat_template, "c");
}

// --- what goes wrong

std::string refusal_of(const std::filesystem::path& folder) {
  try {
    load_bundle(folder).build_graph();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was refused";
}

// A folder of a tiny model with a changed config.
std::filesystem::path folder_with(const std::string& model, const std::function<void(Json&)>& change) {
  const std::filesystem::path folder = fresh_folder("broken"), from = hugging_face_folder(model);
  for (const auto& entry : std::filesystem::directory_iterator(from)) {
    if (entry.path().filename() != "config.json")
      std::filesystem::create_symlink(entry.path(), folder / entry.path().filename());
  }
  Json config = read_test_json(from / "config.json");
  change(config);
  write_test_file(folder / "config.json", config.dump());
  return folder;
}

struct BrokenConfig {
  const char* model;
  std::function<void(Json&)> change;
  std::vector<const char*> said;
};

TEST(HuggingFaceRefusal, OneLineNamesWhatAConfigAsksForThatCannotBe) {
  const BrokenConfig kBroken[] = {
      {"llama", [](Json& c) { c["model_type"] = "mamba"; }, {"model_type \"mamba\"", "llama", "glm4v"}},
      {"llama", [](Json& c) { c.erase("model_type"); }, {"no model_type"}},
      {"llama", [](Json& c) { c["hidden_act"] = "gelu"; }, {"hidden_act", "gelu", "silu"}},
      {"llama", [](Json& c) { c["rope_scaling"] = {{"rope_type", "longrope"}}; }, {"longrope", "yarn"}},
      {"llama", [](Json& c) { c["rope_scaling"] = {{"type", "linear"}}; }, {"factor", "missing"}},
      {"llama", [](Json& c) { c.erase("rms_norm_eps"); }, {"rms_norm_eps", "norm"}},
      {"llama", [](Json& c) { c["hidden_size"] = 64; }, {"embed_tokens", "[512, 128]", "[512, 64]"}},
      {"llama", [](Json& c) { c["vocab_size"] = 511; }, {"tokenizer has 512", "511"}},
      {"llama", [](Json& c) { c["num_hidden_layers"] = 4; }, {"layer 3 has no"}},
      {"llama", [](Json& c) { c["num_hidden_layers"] = 2; }, {"layers.2.", "layer 2,", "2 layers"}},
      {"glm4moe", [](Json& c) { c["num_hidden_layers"] = 2; }, {"layers.2.", "layer 2,", "2 layers"}},
      {"llama", [](Json& c) { c["num_hidden_layers"] = -1; }, {"num_hidden_layers", "-1"}},
      {"llama", [](Json& c) { c["num_key_value_heads"] = 3; }, {"3 key heads do not divide 4"}},
      {"llama", [](Json& c) { c["tie_word_embeddings"] = false; }, {"lm_head.weight", "tie_word_embeddings"}},
      {"llama", [](Json& c) { c["quantization_config"] = {{"quant_method", "fp8"}}; }, {"fp8", "GGUF"}},
      {"qwen3", [](Json& c) { c["model_type"] = "qwen2"; }, {"k_norm", "qwen2", "variant"}},
      {"glm4", [](Json& c) { c["partial_rotary_factor"] = 2; }, {"partial_rotary_factor", "2"}},
      {"qwen2",
       [](Json& c) { c["use_sliding_window"] = true, c["sliding_window"] = 8, c["layer_types"] = {"x"}; },
       {"layer_types", "3 layers"}},
  };
  for (const BrokenConfig& broken : kBroken) {
    const std::string line = refusal_of(folder_with(broken.model, broken.change));
    for (const char* part : broken.said) EXPECT_NE(line.find(part), std::string::npos) << line;
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
  }
}

TEST(HuggingFaceRefusal, OneLineNamesTheFileThatAFolderLacks) {
  const std::filesystem::path folder = fresh_folder("lacking"), from = hugging_face_folder("glm4");
  const auto expect_said = [&](const char* part) {
    const std::string line = refusal_of(folder);
    EXPECT_NE(line.find(part), std::string::npos) << line;
  };
  expect_said("config.json: is missing");
  std::filesystem::copy_file(from / "config.json", folder / "config.json");
  expect_said("holds no weights");
  write_test_file(folder / "pytorch_model.bin", "");
  expect_said("pytorch_model.bin");
  std::filesystem::copy_file(from / "model.safetensors.index.json", folder / "model.safetensors.index.json");
  for (const char* shard : {"model-00001-of-00003.safetensors", "model-00003-of-00003.safetensors"})
    std::filesystem::create_symlink(from / shard, folder / shard);
  expect_said("pytorch_model.bin");
  std::filesystem::remove(folder / "pytorch_model.bin");
  expect_said("model-00002-of-00003.safetensors: is missing");
  std::filesystem::create_symlink(from / "model-00002-of-00003.safetensors",
                                  folder / "model-00002-of-00003.safetensors");
  expect_said("tokenizer.json: is missing");
  write_test_file(folder / "tokenizer.model", "");
  expect_said("tokenizer.model alone");
  std::filesystem::copy_file(from / "tokenizer.json", folder / "tokenizer.json");
  EXPECT_EQ(refusal_of(folder), "nothing was refused");
}

TEST(HuggingFaceRefusal, QuantisedAndStrangeTensorsAreNamed) {
  const HuggingFaceConfig config =
      read_hugging_face_config(read_test_json(hugging_face_data() / "llama" / "config.json"), "config.json");
  for (const auto& [name, said] :
       {std::pair("model.layers.1.self_attn.q_proj.qweight", "quantised by another tool"),
        std::pair("model.layers.1.self_attn.sinks.weight", "another variant")}) {
    const std::filesystem::path folder = fresh_folder("strange");
    copy_small_files("llama", folder);
    MadeTensors tensors = made_tensors("llama", config, DType::kBF16);
    tensors.emplace(name, MadeTensor{DType::kI32, {1}, std::vector<std::byte>(4)});
    write_weights(folder, tensors);
    const std::string line = refusal_of(folder);
    EXPECT_NE(line.find(name), std::string::npos) << line;
    EXPECT_NE(line.find(said), std::string::npos) << line;
  }
}

// A tiny Llama with further tensors of 128 zeros.
std::filesystem::path llama_with(const std::vector<std::string>& names) {
  const HuggingFaceConfig config =
      read_hugging_face_config(read_test_json(hugging_face_data() / "llama" / "config.json"), "config.json");
  const std::filesystem::path folder = fresh_folder("further");
  copy_small_files("llama", folder);
  MadeTensors tensors = made_tensors("llama", config, DType::kBF16);
  for (const std::string& name : names)
    tensors.emplace(name, MadeTensor{DType::kF32, {128}, std::vector<std::byte>(512)});
  write_weights(folder, tensors);
  return folder;
}

TEST(HuggingFaceRefusal, ATensorThatNothingReadsIsNamed) {
  for (const std::string stem : {"norm", "layers.{}.input_layernorm", "layers.{}.post_attention_layernorm"}) {
    std::vector<std::string> names;
    for (int i = 0; i < 3; ++i) names.push_back("model." + fmt::format(fmt::runtime(stem), i) + ".bias");
    const std::string line = refusal_of(llama_with(names));
    EXPECT_NE(line.find("tensor " + names[0]), std::string::npos) << line;
    EXPECT_NE(line.find("another variant"), std::string::npos) << line;
  }
}

TEST(HuggingFaceRefusal, AFileWithMoreLayersThanItsKeysCountIsNamed) {
  const std::filesystem::path path = fresh_folder("gguf_layers") / "model.gguf";
  for (const char* model : {"llama", "glm4"}) {
    const std::string key = std::string(model) + ".block_count";
    rewrite_keys(tiny_model(model, "bf16"), {{key, GgufValue::of(uint32_t{1})}}, path);
    const std::string line = refusal_of(path);
    EXPECT_NE(line.find("tensor blk.1."), std::string::npos) << line;
    EXPECT_NE(line.find("fewer layers"), std::string::npos) << line;
  }
}

TEST(HuggingFaceWeights, ComputedTablesAndLayersForFurtherTokensAreLeftOut) {
  const std::filesystem::path folder = llama_with(
      {"model.layers.0.self_attn.rotary_emb.inv_freq", "model.layers.0.self_attn.masked_bias",
       "model.position_ids", "model.layers.3.eh_proj.weight", "model.layers.3.input_layernorm.weight"});
  EXPECT_EQ(refusal_of(folder), "nothing was refused");
}

TEST(HuggingFaceWeights, ValuesThatStandAtOddBytesGiveTheSameModel) {
  const std::filesystem::path folder = fresh_folder("odd"), from = hugging_face_folder("qwen3_bf16");
  for (const char* file : {"config.json", "tokenizer.json"})
    std::filesystem::create_symlink(from / file, folder / file);
  std::string bytes = read_file(from / "model.safetensors");
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  bytes.insert(8 + header_bytes, " ");  // one blank more
  ++header_bytes;
  std::memcpy(bytes.data(), &header_bytes, sizeof header_bytes);
  write_test_file(folder / "model.safetensors", bytes);
  expect_reference(load_bundle(folder), load_reference(reference_folder("qwen3_bf16"), "text"));
}

}  // namespace
}  // namespace oag::test
