#include "llm/bundle/hugging_face_files.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "llm/bundle/gguf_keys.h"
#include "llm/text/tokenizer_json_writer.h"

namespace oag {
namespace {

constexpr size_t kMaxSmallFileBytes = size_t{256} << 20;

// The classes of transformers that run a model_type.
struct ModelClass {
  std::string_view model_type, name;
};
constexpr ModelClass kClasses[] = {{"llama", "LlamaForCausalLM"},
                                   {"mistral", "MistralForCausalLM"},
                                   {"qwen2", "Qwen2ForCausalLM"},
                                   {"qwen3", "Qwen3ForCausalLM"},
                                   {"glm4", "Glm4ForCausalLM"},
                                   {"glm", "GlmForCausalLM"},
                                   {"glm4v", "Glm4vForConditionalGeneration"},
                                   {"glm4_moe", "Glm4MoeForCausalLM"}};

std::string_view torch_name(DType dtype) {
  return dtype == DType::kF32 ? "float32" : dtype == DType::kBF16 ? "bfloat16" : "float16";
}

// A float as the shortest decimal that reads back as it.
double shortest(float value) {
  return std::stod(fmt::format("{}", value));
}

// The numbers of a Llama-3 scaling whose divisors a GGUF file holds: training contexts are powers of two and
// the two bands are 1 and 4 in every known model.
std::optional<RopeScaling> llama3_scaling(const TextConfig& config, std::span<const float> divisors) {
  TextConfig candidate = config;
  candidate.rope_scaling = {.kind = RopeScalingKind::kLlama3};
  candidate.rope_scaling.factor = static_cast<double>(*std::ranges::max_element(divisors));
  for (double context = 16; context <= 1 << 24; context *= 2) {
    candidate.rope_scaling.original_context = context;
    const std::vector<float> again = llama3_divisors(candidate);
    const bool same = std::ranges::equal(
        again, divisors, [](float a, float b) { return std::abs(a - b) <= 1e-5f * std::abs(b); });
    if (same) return candidate.rope_scaling;
  }
  return std::nullopt;
}

RopeScaling scaling_of(const ModelBundle& bundle) {
  const auto stored = bundle.weights->find("rope_freqs.weight", {bundle.config.rope_dims / 2});
  if (!stored) return bundle.config.rope_scaling;
  const auto scaling = stored->dtype() == DType::kF32
                           ? llama3_scaling(bundle.config, stored->values<const float>())
                           : std::nullopt;
  if (scaling) return *scaling;
  fail(ErrorCode::kUnsupported, bundle.weights->where(),
       "the rotary divisors in rope_freqs.weight are those of no Llama-3 scaling, which config.json could "
       "state");
}

Json rope_scaling_json(const RopeScaling& scaling) {
  switch (scaling.kind) {
    case RopeScalingKind::kNone: return nullptr;
    case RopeScalingKind::kLinear: return {{"rope_type", "linear"}, {"factor", scaling.factor}};
    case RopeScalingKind::kLlama3:
      return {{"rope_type", "llama3"},
              {"factor", scaling.factor},
              {"low_freq_factor", scaling.low_frequency_factor},
              {"high_freq_factor", scaling.high_frequency_factor},
              {"original_max_position_embeddings", static_cast<int64_t>(scaling.original_context)}};
    case RopeScalingKind::kYarn:
      return {{"rope_type", "yarn"},
              {"factor", scaling.factor},
              {"beta_fast", scaling.beta_fast},
              {"beta_slow", scaling.beta_slow},
              {"attention_factor", scaling.attention_factor},
              {"original_max_position_embeddings", static_cast<int64_t>(scaling.original_context)}};
  }
  return nullptr;
}

// Those that the keys of a GGUF name; GLM's answers end at further tokens, which are known by their texts.
std::vector<TokenId> end_ids(const Tokenizer& tokenizer) {
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  std::vector<TokenId> ids;
  const auto add = [&](std::optional<TokenId> id) {
    if (id && std::ranges::find(ids, *id) == ids.end()) ids.push_back(*id);
  };
  for (const auto& id : {vocabulary.eos, vocabulary.eot, vocabulary.eom}) add(id);
  for (const TokenId id : vocabulary.more_end_ids) add(id);
  if (tokenizer.find("[gMASK]")) {
    for (const TokenId id : tokenizer.end_ids()) add(id);
  }
  return ids;
}

Json token_ids_json(const Tokenizer& tokenizer) {
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  const auto or_null = [](const std::optional<TokenId>& id) { return id ? Json(*id) : Json(nullptr); };
  return {{"bos_token_id", or_null(vocabulary.bos)},
          {"eos_token_id", end_ids(tokenizer)},
          {"pad_token_id", or_null(vocabulary.padding)}};
}

Json experts_json(const ExpertConfig& experts) {
  return {{"n_routed_experts", experts.count},
          {"num_experts_per_tok", experts.used},
          {"n_shared_experts", experts.shared},
          {"moe_intermediate_size", experts.ffn_size},
          {"first_k_dense_replace", experts.dense_layers},
          {"n_group", experts.groups},
          {"topk_group", experts.groups_used},
          {"routed_scaling_factor", shortest(static_cast<float>(experts.scale))},
          {"norm_topk_prob", experts.normed},
          {"num_nextn_predict_layers", 0}};
}

Json text_config_json(const ModelBundle& bundle, const HuggingFaceType& type) {
  const TextConfig& config = bundle.config;
  Json json = {{"model_type", type.model_type},
               {"vocab_size", config.vocab_size},
               {"hidden_size", config.hidden_size},
               {"intermediate_size", config.ffn_size},
               {"num_hidden_layers", config.layers},
               {"num_attention_heads", config.heads},
               {"num_key_value_heads", config.kv_heads},
               {"head_dim", config.head_size},
               {"hidden_act", "silu"},
               {"max_position_embeddings", config.context_tokens},
               {"rms_norm_eps", shortest(config.rms_epsilon)},
               {"rope_theta", shortest(static_cast<float>(config.rope_theta))},
               {"attention_bias",
                bundle.weights->has("blk.0.attn_q.bias") || bundle.weights->has("blk.0.attn_qkv.bias")},
               {"attention_dropout", 0.0},
               {"use_cache", true}};
  if (type.partial_rotary < 1) {
    json["partial_rotary_factor"] =
        static_cast<double>(config.rope_dims) / static_cast<double>(config.head_size);
  }
  Json scaling = rope_scaling_json(scaling_of(bundle));
  if (!config.rope_sections.empty()) {
    if (scaling.is_null()) scaling = {{"rope_type", "default"}};
    scaling["mrope_section"] = config.rope_sections;
  }
  if (!scaling.is_null()) json["rope_scaling"] = std::move(scaling);
  if (config.attention_window > 0) {
    json["sliding_window"] = config.attention_window;
    json["use_sliding_window"] = true;
    json["max_window_layers"] = 0;
  }
  if (config.experts.count > 0) {
    json.update(experts_json(config.experts));
    json["use_qk_norm"] = bundle.weights->has("blk.0.attn_q_norm.weight");
  }
  json.update(token_ids_json(*bundle.tokenizer));
  return json;
}

Json vision_config_json(const VisionConfig& config) {
  return {{"model_type", "glm4v_vision"},
          {"depth", config.layers},
          {"hidden_size", config.hidden_size},
          {"hidden_act", "silu"},
          {"attention_bias", false},
          {"attention_dropout", 0.0},
          {"num_heads", config.heads},
          {"in_channels", 3},
          {"image_size", config.table_side * config.patch_size},
          {"patch_size", config.patch_size},
          {"rms_norm_eps", shortest(config.epsilon)},
          {"spatial_merge_size", config.merge_size},
          {"temporal_patch_size", config.temporal_patch_size},
          {"out_hidden_size", config.output_size},
          {"intermediate_size", config.merger_ffn_size}};
}

Json config_json(const ModelBundle& bundle, DType dtype) {
  const HuggingFaceType& type = hugging_face_type_of(bundle);
  const auto named = std::ranges::find(kClasses, type.model_type, &ModelClass::model_type);
  if (named == std::end(kClasses)) {
    fail(ErrorCode::kUnsupported, bundle.weights->where(),
         "a model of type {} cannot be written as a Hugging Face folder; write a GGUF", type.model_type);
  }
  Json json = {{"architectures", {named->name}}};
  const bool nested = type.model_type == "glm4v";
  Json text = text_config_json(bundle, type);
  if (nested) {
    json["model_type"] = "glm4v";
    text["model_type"] = "glm4v_text";
    text.erase("head_dim");
    json["text_config"] = std::move(text);
    if (bundle.vision) json["vision_config"] = vision_config_json(bundle.vision->config);
    const auto id = [&](const char* key, const char* token) {
      if (const auto found = bundle.tokenizer->find(token)) json[key] = *found;
    };
    id("image_token_id", "<|image|>");
    id("image_start_token_id", "<|begin_of_image|>");
    id("image_end_token_id", "<|end_of_image|>");
    id("video_token_id", "<|video|>");
    id("video_start_token_id", "<|begin_of_video|>");
    id("video_end_token_id", "<|end_of_video|>");
  } else {
    json.update(text);
  }
  json["tie_word_embeddings"] = !bundle.weights->has("output.weight");
  json["torch_dtype"] = torch_name(dtype);
  return json;
}

Json tokenizer_config_json(const Vocabulary& vocabulary) {
  Json json = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"clean_up_tokenization_spaces", false}};
  const auto add = [&](const char* key, const std::optional<TokenId>& id) {
    if (id) json[key] = vocabulary.tokens[static_cast<size_t>(*id)];
  };
  add("bos_token", vocabulary.bos);
  add("eos_token", vocabulary.eos);
  add("pad_token", vocabulary.padding);
  if (vocabulary.model == "llama") add("unk_token", vocabulary.unknown);
  return json;
}

Json preprocessor_json(const GlmImageConfig& images) {
  const auto decimals = [](std::span<const float> values) {
    Json list = Json::array();
    for (const float value : values) list.push_back(shortest(value));
    return list;
  };
  return {{"image_processor_type", "Glm4vImageProcessor"},
          {"processor_class", "Glm4vProcessor"},
          {"size", {{"shortest_edge", images.min_pixels}, {"longest_edge", images.max_pixels}}},
          {"do_rescale", true},
          {"patch_size", images.patch_size},
          {"temporal_patch_size", images.temporal_patch_size},
          {"merge_size", images.merge_size},
          {"image_mean", decimals(images.mean)},
          {"image_std", decimals(images.std)}};
}

std::string json_text(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

const HuggingFaceType& hugging_face_type_of(const ModelBundle& bundle) {
  const auto types = bundle.architecture->hugging_face;
  const bool has_window = bundle.config.attention_window > 0;
  const std::string_view wanted = !bundle.config.rope_sections.empty()           ? "glm4v"
                                  : has_window && types[0].model_type == "llama" ? "mistral"
                                                                                 : types[0].model_type;
  const auto found = std::ranges::find(types, wanted, &HuggingFaceType::model_type);
  if (found != types.end()) return *found;
  fail(ErrorCode::kUnsupported, bundle.weights->where(),
       "a model of architecture {} with M-RoPE sections cannot be written as a Hugging Face folder",
       bundle.config.architecture);
}

std::vector<SmallFile> hugging_face_files(const ModelBundle& bundle, DType dtype) {
  const Vocabulary& vocabulary = bundle.tokenizer->vocabulary();
  std::vector<SmallFile> files;
  files.push_back({"tokenizer.json", write_tokenizer_json(*bundle.tokenizer, bundle.weights->where())});
  files.push_back({"tokenizer_config.json", json_text(tokenizer_config_json(vocabulary))});
  Json generation = generation_config_json(bundle.sampling);
  generation.update(token_ids_json(*bundle.tokenizer));
  files.push_back({"generation_config.json", json_text(generation)});
  if (!bundle.chat_template.empty() && !bundle.template_is_fallback())
    files.push_back({"chat_template.jinja", bundle.chat_template});
  if (bundle.vision)
    files.push_back({"preprocessor_config.json", json_text(preprocessor_json(bundle.vision->images))});
  files.push_back({"config.json", json_text(config_json(bundle, dtype))});  // the last: see its reader
  return files;
}

std::vector<SmallFile> copied_hugging_face_files(const std::filesystem::path& folder, DType dtype) {
  std::vector<SmallFile> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool is_index = name.ends_with(".safetensors.index.json") || name.ends_with(".bin.index.json");
    const bool is_text = name.ends_with(".json") || name.ends_with(".jinja") || name.ends_with(".txt") ||
                         name.ends_with(".model");
    if (!entry.is_regular_file() || is_index || !is_text || name == "config.json") continue;
    files.push_back({name, read_file(entry.path(), kMaxSmallFileBytes)});
  }
  const std::filesystem::path path = folder / "config.json";
  Json config = parse_json(read_file(path, kMaxSmallFileBytes), path.string());
  for (const char* key : {"torch_dtype", "dtype"}) {
    if (config.contains(key)) config[key] = torch_name(dtype);
    if (config.contains("text_config") && config["text_config"].contains(key))
      config["text_config"][key] = torch_name(dtype);
  }
  files.push_back({"config.json", json_text(config)});
  return files;
}

}  // namespace oag
