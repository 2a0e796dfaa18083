#include "llm/models/text_config.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/function_ref.h"

namespace oag {
namespace {

class KeyReader {
 public:
  explicit KeyReader(const GgufMetadata& metadata, std::string prefix)
      : metadata_(metadata), prefix_(std::move(prefix)) {}

  int64_t size(std::string_view key, int64_t limit) const {
    return checked(key, static_cast<int64_t>(metadata_.get_u64(prefix_ + std::string(key))), limit);
  }
  int64_t size(std::string_view key, int64_t limit, int64_t fallback) const {
    const auto found = metadata_.find_u64(prefix_ + std::string(key));
    return found ? checked(key, static_cast<int64_t>(*found), limit) : fallback;
  }
  // The same where 0 is a number like others.
  int64_t count(std::string_view key, int64_t limit, int64_t fallback) const {
    const auto found = metadata_.find_u64(prefix_ + std::string(key));
    return found && *found == 0 ? 0 : size(key, limit, fallback);
  }
  double number(std::string_view key, double fallback) const {
    return metadata_.find_f64(prefix_ + std::string(key)).value_or(fallback);
  }
  double number_of_any(std::string_view key, double fallback) const {
    const GgufValue* value = metadata_.find(prefix_ + std::string(key));
    const bool is_whole = value != nullptr && !std::holds_alternative<double>(value->data);
    return is_whole ? static_cast<double>(metadata_.get_u64(prefix_ + std::string(key)))
                    : number(key, fallback);
  }
  [[noreturn]] void refuse(std::string_view key, const std::string& message) const {
    fail(ErrorCode::kCorruptData, metadata_.where(), "key {}{}: {}", prefix_, key, message);
  }

 private:
  int64_t checked(std::string_view key, int64_t value, int64_t limit) const {
    if (value <= 0 || value > limit) refuse(key, fmt::format("{} is outside [1, {}]", value, limit));
    return value;
  }

  const GgufMetadata& metadata_;
  std::string prefix_;
};

// Keys as gguf-py writes them; yarn_attn_factor is the older name of attn_factor.
void read_rope_scaling(const GgufMetadata& metadata, const KeyReader& keys, TextConfig& config) {
  const auto type = metadata.find_string(config.architecture + ".rope.scaling.type");
  if (!type || *type == "none" || *type == "llama3")
    return;  // llama3: the divisors stand in rope_freqs.weight
  RopeScaling& scaling = config.rope_scaling;
  if (*type == "linear") {
    scaling.kind = RopeScalingKind::kLinear;
  } else if (*type == "yarn") {
    scaling.kind = RopeScalingKind::kYarn;
  } else {
    fail(ErrorCode::kUnsupported, metadata.where(),
         "rope scaling \"{}\" is not supported; known: none, linear, llama3, yarn", *type);
  }
  scaling.factor = keys.number("rope.scaling.factor", 1.0);
  if (scaling.kind != RopeScalingKind::kYarn) return;
  scaling.original_context =
      keys.number_of_any("rope.scaling.original_context_length", static_cast<double>(config.context_tokens));
  scaling.beta_fast = keys.number("rope.scaling.yarn_beta_fast", 32);
  scaling.beta_slow = keys.number("rope.scaling.yarn_beta_slow", 1);
  const double more =
      keys.number("rope.scaling.attn_factor", keys.number("rope.scaling.yarn_attn_factor", 1.0));
  scaling.attention_factor = more * yarn_attention_factor(scaling.factor);
}

void read_rope_sections(const GgufMetadata& metadata, TextConfig& config) {
  const auto sections = metadata.find_i32_array(config.architecture + ".rope.dimension_sections");
  if (!sections) return;
  // Files have four, of which those at the end may be no more than padding.
  config.rope_sections.assign(sections->begin(), sections->end());
  while (!config.rope_sections.empty() && config.rope_sections.back() == 0) config.rope_sections.pop_back();
}

// Layers that predict further tokens stand behind the others and count as blocks.
void read_experts(const GgufMetadata& metadata, const KeyReader& keys, TextConfig& config) {
  const int64_t further = keys.count("nextn_predict_layers", kMaxLayers, 0);
  if (further >= config.layers)
    keys.refuse("nextn_predict_layers", fmt::format("{} of {} blocks leave none", further, config.layers));
  config.layers -= further;
  ExpertConfig& experts = config.experts;
  experts.count = keys.count("expert_count", kMaxExperts, 0);
  if (experts.count == 0) return;
  experts.used = keys.size("expert_used_count", kMaxExperts);
  experts.ffn_size = keys.size("expert_feed_forward_length", kMaxWidth, config.ffn_size);
  experts.shared = keys.count("expert_shared_count", kMaxExperts, 0);
  experts.dense_layers = keys.count("leading_dense_block_count", kMaxLayers, 0);
  experts.groups = keys.size("expert_group_count", kMaxExperts, 1);
  experts.groups_used = keys.size("expert_group_used_count", kMaxExperts, experts.groups);
  experts.scale = keys.number("expert_weights_scale", 1.0);
  if (experts.scale == 0) experts.scale = 1;  // which is how gguf-py writes that there is none
  experts.normed = metadata.find_bool(config.architecture + ".expert_weights_norm").value_or(true);
  const std::string gating = config.architecture + ".expert_gating_func";
  if (const auto kind = metadata.find_u64(gating).value_or(kSigmoidGating); kind != kSigmoidGating) {
    fail(ErrorCode::kUnsupported, metadata.where(), "key {}: {} is not supported; known: {} (sigmoid)",
         gating, kind, kSigmoidGating);
  }
}

void check_experts(const TextConfig& config, FunctionRef<void(const std::string&)> refuse) {
  const ExpertConfig& experts = config.experts;
  if (experts.count == 0) return;
  if (experts.groups_used > experts.groups || experts.count % experts.groups != 0 ||
      (experts.groups > 1 && experts.count < 2 * experts.groups)) {
    refuse(fmt::format("{} experts in {} groups, of which {} are used", experts.count, experts.groups,
                       experts.groups_used));
  }
  if (experts.used < 1 || experts.used > experts.count / experts.groups * experts.groups_used)
    refuse(fmt::format("{} experts are used of {}", experts.used, experts.count));
  int64_t shared_size = 0;
  if (__builtin_mul_overflow(experts.ffn_size, experts.shared, &shared_size) || shared_size > kMaxWidth)
    refuse(fmt::format("{} shared experts of {} values", experts.shared, experts.ffn_size));
  if (experts.dense_layers >= config.layers)
    refuse(fmt::format("experts after {} of {} layers", experts.dense_layers, config.layers));
  if (!std::isfinite(experts.scale)) refuse("a scale of experts that is no number");
}

}  // namespace

TextConfig read_text_config(const GgufMetadata& metadata) {
  TextConfig config;
  config.architecture = metadata.get_string("general.architecture");
  const KeyReader keys(metadata, config.architecture + ".");
  config.hidden_size = keys.size("embedding_length", kMaxWidth);
  config.layers = keys.size("block_count", kMaxLayers);
  config.heads = keys.size("attention.head_count", kMaxWidth);
  config.kv_heads = keys.size("attention.head_count_kv", kMaxWidth, config.heads);
  config.ffn_size = keys.size("feed_forward_length", kMaxWidth);
  config.context_tokens = keys.size("context_length", kMaxContext);
  config.head_size = keys.size("attention.key_length", kMaxWidth, config.hidden_size / config.heads);
  config.rms_epsilon = static_cast<float>(keys.number("attention.layer_norm_rms_epsilon", 1e-5));
  config.rope_theta = keys.number("rope.freq_base", 10000.0);
  config.rope_dims = keys.size("rope.dimension_count", kMaxWidth, config.head_size);
  config.attention_window = static_cast<int64_t>(std::min<uint64_t>(
      metadata.find_u64(config.architecture + ".attention.sliding_window").value_or(0), 1u << 31));
  read_experts(metadata, keys, config);
  read_rope_sections(metadata, config);
  if (keys.size("attention.value_length", kMaxWidth, config.head_size) != config.head_size) {
    keys.refuse("attention.value_length",
                fmt::format("differs from the key length {}, which is not supported", config.head_size));
  }
  read_rope_scaling(metadata, keys, config);
  check_text_config(config, metadata.where());
  return config;
}

void check_text_config(const TextConfig& config, std::string_view where) {
  const auto refuse = [&](const std::string& message) {
    fail(ErrorCode::kCorruptData, where, "the model's numbers contradict each other: {}", message);
  };
  if (config.heads % config.kv_heads != 0)
    refuse(fmt::format("{} key heads do not divide {} query heads", config.kv_heads, config.heads));
  if (config.head_size <= 0 || config.rope_dims <= 0 || config.rope_dims > config.head_size ||
      config.rope_dims % 2 != 0) {
    refuse(fmt::format("{} rotary elements of a head of {}; expected an even number up to the head's size",
                       config.rope_dims, config.head_size));
  }
  if (!(config.rope_theta > 1) || !std::isfinite(config.rope_theta))
    refuse(fmt::format("a rotary base of {}, expected above 1", config.rope_theta));
  if (!(config.rms_epsilon > 0) || !std::isfinite(config.rms_epsilon))
    refuse(fmt::format("a norm with epsilon {}, expected above 0", config.rms_epsilon));
  const RopeScaling& scaling = config.rope_scaling;
  const double positive[] = {scaling.factor,    scaling.attention_factor,     scaling.beta_fast,
                             scaling.beta_slow, scaling.low_frequency_factor, scaling.high_frequency_factor};
  const bool needs_original =
      scaling.kind == RopeScalingKind::kLlama3 || scaling.kind == RopeScalingKind::kYarn;
  if (std::ranges::any_of(positive, [](double x) { return !(x > 0) || !std::isfinite(x); }) ||
      (needs_original && !(scaling.original_context >= 1))) {
    refuse("a rope scaling with a factor or original context that is not above 0");
  }
  if (scaling.kind == RopeScalingKind::kLlama3 &&
      scaling.low_frequency_factor >= scaling.high_frequency_factor)
    refuse("a llama3 rope scaling whose low_freq_factor is not below its high_freq_factor");
  check_experts(config, refuse);
  int64_t sections = 0;
  for (const int64_t section : config.rope_sections) {
    if (section <= 0 || __builtin_add_overflow(sections, section, &sections))
      refuse("an M-RoPE section below 1");
  }
  if (!config.rope_sections.empty() && sections != config.rope_dims / 2) {
    refuse(fmt::format("M-RoPE sections of {} frequencies together, {} rotary elements have {}", sections,
                       config.rope_dims, config.rope_dims / 2));
  }
}

}  // namespace oag
