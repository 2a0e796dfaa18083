#include "llm/bundle/gguf_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <numbers>
#include <string>
#include <unordered_map>

#include <cmath>

#include "base/error.h"

namespace oag {
namespace {

// The version of the block formats' layouts that GGUF files name.
constexpr uint32_t kQuantizationVersion = 2;
// GGUF has room for one section more than M-RoPE has axes.
constexpr size_t kSectionSlots = 4;

class Keys {
 public:
  explicit Keys(std::string prefix) : prefix_(std::move(prefix)) {}

  void add(std::string key, GgufValue value) { entries_.push_back({std::move(key), std::move(value)}); }
  // Keys that begin with the architecture.
  void size(std::string_view key, int64_t value) {
    add(prefix_ + std::string(key), GgufValue::of(static_cast<uint32_t>(value)));
  }
  void number(std::string_view key, double value) {
    add(prefix_ + std::string(key), GgufValue::of(static_cast<float>(value)));
  }
  void text(std::string_view key, std::string_view value) {
    add(prefix_ + std::string(key), GgufValue::of(value));
  }
  std::vector<GgufMetadata::Entry> take() { return std::move(entries_); }

 private:
  std::string prefix_;
  std::vector<GgufMetadata::Entry> entries_;
};

void add_general(Keys& keys, std::string_view architecture, std::string_view type, std::string_view name) {
  keys.add("general.architecture", GgufValue::of(architecture));
  keys.add("general.type", GgufValue::of(type));
  keys.add("general.name", GgufValue::of(name));
  keys.add("general.quantization_version", GgufValue::of(kQuantizationVersion));
}

void add_rope_scaling(Keys& keys, const RopeScaling& scaling, std::string_view where) {
  if (scaling.kind == RopeScalingKind::kLinear) {
    keys.text("rope.scaling.type", "linear");
    keys.number("rope.scaling.factor", scaling.factor);
  }
  if (scaling.kind != RopeScalingKind::kYarn) return;
  if (!scaling.truncate)
    fail(ErrorCode::kUnsupported, where, "its YaRN scaling has truncate off, which GGUF has no key for");
  keys.text("rope.scaling.type", "yarn");
  keys.number("rope.scaling.factor", scaling.factor);
  keys.size("rope.scaling.original_context_length", static_cast<int64_t>(scaling.original_context));
  keys.number("rope.scaling.yarn_beta_fast", scaling.beta_fast);
  keys.number("rope.scaling.yarn_beta_slow", scaling.beta_slow);
  const double more = scaling.attention_factor / yarn_attention_factor(scaling.factor);
  if (std::abs(more - 1) > 1e-6) keys.number("rope.scaling.yarn_attn_factor", more);
}

void add_window(Keys& keys, const TextConfig& config, std::string_view where) {
  const bool some = std::ranges::find(config.windowed_layers, true) != config.windowed_layers.end();
  const bool all = std::ranges::find(config.windowed_layers, false) == config.windowed_layers.end();
  if (config.attention_window == 0 || (!some && !all)) return;
  if (!all) {
    fail(ErrorCode::kUnsupported, where,
         "some of its layers have an attention window and some not, which GGUF has no key for");
  }
  keys.size("attention.sliding_window", config.attention_window);
}

void add_experts(Keys& keys, const ExpertConfig& experts, const std::string& architecture) {
  if (experts.count == 0) return;
  keys.size("expert_count", experts.count);
  keys.size("expert_used_count", experts.used);
  keys.size("expert_shared_count", experts.shared);
  keys.size("expert_feed_forward_length", experts.ffn_size);
  keys.size("leading_dense_block_count", experts.dense_layers);
  keys.number("expert_weights_scale", experts.scale);
  keys.add(architecture + ".expert_weights_norm", GgufValue::of(experts.normed));
  keys.size("expert_gating_func", kSigmoidGating);
  keys.size("expert_group_count", experts.groups);
  keys.size("expert_group_used_count", experts.groups_used);
}

void add_numbers(Keys& keys, const TextConfig& config, std::string_view where) {
  keys.size("context_length", config.context_tokens);
  keys.size("embedding_length", config.hidden_size);
  keys.size("block_count", config.layers);
  keys.size("feed_forward_length", config.ffn_size);
  keys.size("attention.head_count", config.heads);
  keys.size("attention.head_count_kv", config.kv_heads);
  keys.number("attention.layer_norm_rms_epsilon", static_cast<double>(config.rms_epsilon));
  keys.number("rope.freq_base", config.rope_theta);
  keys.size("vocab_size", config.vocab_size);
  keys.size("attention.key_length", config.head_size);
  keys.size("attention.value_length", config.head_size);
  keys.size("rope.dimension_count", config.rope_dims);
  if (!config.rope_sections.empty()) {
    std::vector<int32_t> sections(config.rope_sections.begin(), config.rope_sections.end());
    sections.resize(std::max(sections.size(), kSectionSlots));
    keys.add(config.architecture + ".rope.dimension_sections",
             GgufValue::of_array(std::span<const int32_t>(sections)));
  }
  add_rope_scaling(keys, config.rope_scaling, where);
  add_window(keys, config, where);
  add_experts(keys, config.experts, config.architecture);
}

GgufValue strings(std::vector<std::string_view> texts) {
  return GgufValue::of_strings(texts);
}

// What SentencePiece in GGUF goes by where a vocabulary has merges: the earlier a token is made, the higher
// its score. Tokens that no merge makes are never looked up.
std::vector<float> scores_of(const Vocabulary& vocabulary) {
  if (!vocabulary.scores.empty()) return vocabulary.scores;
  std::unordered_map<std::string, size_t> rank;
  for (const std::string& merge : vocabulary.merges) {
    const size_t space = merge.find(' ');
    rank.try_emplace(merge.substr(0, space) + merge.substr(space + 1), rank.size());
  }
  std::vector<float> scores;
  for (const std::string& token : vocabulary.tokens) {
    const auto found = rank.find(token);
    scores.push_back(-static_cast<float>(found == rank.end() ? rank.size() : found->second));
  }
  return scores;
}

struct SpecialIds {
  std::optional<TokenId> bos, eos, eot, eom, unknown, padding;
};

// GLM's answers end where the user's turn begins; GGUF files of GLM have <|endoftext|> where the model has no
// token of a kind.
SpecialIds special_ids(const Tokenizer& tokenizer) {
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  SpecialIds ids = {vocabulary.bos, vocabulary.eos,     vocabulary.eot,
                    vocabulary.eom, vocabulary.unknown, vocabulary.padding};
  if (tokenizer.find("[gMASK]")) {
    if (!ids.eot) ids.eot = tokenizer.find("<|user|>");
    if (!ids.bos) ids.bos = ids.eos;
    if (!ids.unknown) ids.unknown = ids.eos;
  }
  const auto is_new = [&](TokenId id) { return id != ids.eos && id != ids.eot && id != ids.eom; };
  for (const TokenId id : vocabulary.more_end_ids) {
    if (!is_new(id)) continue;
    if (!ids.eot) {
      ids.eot = id;
    } else if (!ids.eom && !tokenizer.find("[gMASK]")) {
      ids.eom = id;
    }
  }
  return ids;
}

// Rows of the embedding beyond the tokens get names, as every row must have one.
void add_tokens(Keys& keys, const Vocabulary& vocabulary, int64_t rows) {
  const auto count = static_cast<size_t>(rows);
  std::vector<std::string> padding;
  for (size_t i = vocabulary.tokens.size(); i < count; ++i) padding.push_back(fmt::format("[PAD{}]", i));
  std::vector<std::string_view> tokens(vocabulary.tokens.begin(), vocabulary.tokens.end());
  tokens.insert(tokens.end(), padding.begin(), padding.end());
  std::vector<int32_t> types;
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i)
    types.push_back(static_cast<int32_t>(vocabulary.type(static_cast<TokenId>(i))));
  types.resize(tokens.size(), static_cast<int32_t>(TokenType::kUnused));
  keys.add("tokenizer.ggml.tokens", strings(std::move(tokens)));
  if (vocabulary.model == "llama") {
    std::vector<float> scores = scores_of(vocabulary);
    scores.resize(types.size(), -static_cast<float>(scores.size()));
    keys.add("tokenizer.ggml.scores", GgufValue::of_array(std::span<const float>(scores)));
  }
  keys.add("tokenizer.ggml.token_type", GgufValue::of_array(std::span<const int32_t>(types)));
  if (vocabulary.model == "gpt2") {
    keys.add("tokenizer.ggml.merges", strings({vocabulary.merges.begin(), vocabulary.merges.end()}));
  }
}

void add_tokenizer(Keys& keys, const ModelBundle& bundle) {
  const Tokenizer& tokenizer = *bundle.tokenizer;
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  keys.add("tokenizer.ggml.model", GgufValue::of(vocabulary.model));
  keys.add("tokenizer.ggml.pre", GgufValue::of(vocabulary.model == "llama" ? "default" : vocabulary.pre));
  add_tokens(keys, vocabulary, bundle.config.vocab_size);
  const SpecialIds ids = special_ids(tokenizer);
  const auto add = [&](const char* part, const std::optional<TokenId>& id) {
    if (id) {
      keys.add(fmt::format("tokenizer.ggml.{}_token_id", part), GgufValue::of(static_cast<uint32_t>(*id)));
    }
  };
  add("bos", ids.bos);
  add("eos", ids.eos);
  add("eot", ids.eot);
  add("eom", ids.eom);
  add("unknown", ids.unknown);
  add("padding", ids.padding);
  if (!further_end_ids(tokenizer).empty())
    keys.add(std::string(kEndIdsKey), GgufValue::of_array(tokenizer.end_ids()));
  keys.add("tokenizer.ggml.add_bos_token", GgufValue::of(tokenizer.adds_bos()));
  if (tokenizer.adds_eos()) keys.add("tokenizer.ggml.add_eos_token", GgufValue::of(true));
  if (vocabulary.model == "llama")
    keys.add("tokenizer.ggml.add_space_prefix", GgufValue::of(tokenizer.adds_space_prefix()));
  if (!bundle.chat_template.empty() && !bundle.template_is_fallback())
    keys.add("tokenizer.chat_template", GgufValue::of(bundle.chat_template));
}

}  // namespace

std::vector<float> llama3_divisors(const TextConfig& config) {
  const RopeScaling& scaling = config.rope_scaling;
  std::vector<float> divisors;
  if (scaling.kind != RopeScalingKind::kLlama3) return divisors;
  const double low = scaling.low_frequency_factor, high = scaling.high_frequency_factor;
  for (int64_t i = 0; i < config.rope_dims; i += 2) {
    const double exponent = static_cast<double>(i) / static_cast<double>(config.rope_dims);
    const double wavelength = 2 * std::numbers::pi * std::pow(config.rope_theta, exponent);
    double divisor = 1;
    if (wavelength > scaling.original_context / low) {
      divisor = scaling.factor;
    } else if (wavelength >= scaling.original_context / high) {
      const double smooth = (scaling.original_context / wavelength - low) / (high - low);
      divisor = 1 / ((1 - smooth) / scaling.factor + smooth);
    }
    divisors.push_back(static_cast<float>(divisor));
  }
  return divisors;
}

std::vector<TokenId> further_end_ids(const Tokenizer& tokenizer) {
  const SpecialIds ids = special_ids(tokenizer);
  std::vector<TokenId> further;
  for (const TokenId id : tokenizer.vocabulary().more_end_ids) {
    const bool has_key = id == ids.eos || id == ids.eot || id == ids.eom;
    if (!has_key && std::ranges::find(further, id) == further.end()) further.push_back(id);
  }
  return further;
}

std::vector<GgufMetadata::Entry> gguf_text_keys(const ModelBundle& bundle) {
  Keys keys(bundle.config.architecture + ".");
  add_general(keys, bundle.config.architecture, "model", bundle.name());
  for (GgufMetadata::Entry& entry : sampling_keys(bundle.sampling))
    keys.add(std::move(entry.key), std::move(entry.value));
  add_numbers(keys, bundle.config, bundle.path.string());
  add_tokenizer(keys, bundle);
  return keys.take();
}

std::vector<GgufMetadata::Entry> gguf_vision_keys(const ModelBundle& bundle) {
  const VisionConfig& config = bundle.vision->config;
  const GlmImageConfig& images = bundle.vision->images;
  Keys keys("clip.vision.");
  add_general(keys, "clip", "mmproj", bundle.name());
  keys.add("clip.has_vision_encoder", GgufValue::of(true));
  keys.add("clip.projector_type", GgufValue::of("glm4v"));
  keys.add("clip.use_silu", GgufValue::of(true));
  keys.size("projection_dim", config.output_size);
  keys.size("image_size", config.table_side * config.patch_size);
  keys.size("patch_size", config.patch_size);
  keys.size("embedding_length", config.hidden_size);
  keys.size("feed_forward_length", config.merger_ffn_size);
  keys.size("block_count", config.layers);
  keys.size("attention.head_count", config.heads);
  keys.number("attention.layer_norm_epsilon", static_cast<double>(config.epsilon));
  keys.size("spatial_merge_size", config.merge_size);
  // Pixels of one picture; the budget of the folder counts each of its frames.
  const int64_t frames = images.temporal_patch_size;
  const auto pixels = [](int64_t count) { return std::min<int64_t>(count, UINT32_MAX); };
  keys.size("image_min_pixels", pixels((images.min_pixels + frames - 1) / frames));
  keys.size("image_max_pixels", pixels(images.max_pixels / frames));
  keys.add("clip.vision.image_mean", GgufValue::of_array(std::span<const float>(images.mean)));
  keys.add("clip.vision.image_std", GgufValue::of_array(std::span<const float>(images.std)));
  return keys.take();
}

}  // namespace oag
