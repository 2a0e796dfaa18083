#include "llm/models/hugging_face_config.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "llm/models/config_reader.h"

namespace oag {
namespace {

void require_activation(const ConfigReader& config, std::string_view key) {
  const auto activation = config.find_text(key);
  if (activation && *activation != "silu" && *activation != "swish")
    config.unsupported(key, fmt::format("is \"{}\", known: silu", activation->substr(0, 64)));
}

void require(const ConfigReader& config, std::string_view key, bool expected) {
  if (config.find_bool(key).value_or(expected) != expected)
    config.unsupported(key, fmt::format("is {}, which is a variant that is not supported", !expected));
}

// The names are those of transformers; "su" and "ntk" and others are refused by name.
RopeScalingKind rope_kind(const ConfigReader& rope, const std::string& type) {
  if (type == "default" || type == "mrope") return RopeScalingKind::kNone;
  if (type == "linear") return RopeScalingKind::kLinear;
  if (type == "llama3") return RopeScalingKind::kLlama3;
  if (type == "yarn") return RopeScalingKind::kYarn;
  rope.unsupported("rope_type",
                   fmt::format("is \"{}\", known: default, linear, llama3, yarn", type.substr(0, 64)));
}

void read_yarn(const ConfigReader& rope, RopeScaling& scaling) {
  scaling.beta_fast = rope.number("beta_fast", 32);
  scaling.beta_slow = rope.number("beta_slow", 1);
  scaling.truncate = rope.find_bool("truncate").value_or(true);
  if (const auto given = rope.find_number("attention_factor")) {
    scaling.attention_factor = *given;
    return;
  }
  const double mscale = rope.number("mscale", 0), all = rope.number("mscale_all_dim", 0);
  const auto scaled = [&](double m) { return 1 + m * (yarn_attention_factor(scaling.factor) - 1); };
  scaling.attention_factor =
      mscale != 0 && all != 0 ? scaled(mscale) / scaled(all) : yarn_attention_factor(scaling.factor);
}

void read_scaling(const ConfigReader& rope, const std::string& type, TextConfig& text) {
  RopeScaling& scaling = text.rope_scaling;
  scaling.kind = rope_kind(rope, type);
  if (scaling.kind == RopeScalingKind::kNone) return;
  const auto context = static_cast<double>(text.context_tokens);
  scaling.original_context = rope.number("original_max_position_embeddings", context);
  const auto factor = rope.find_number("factor");
  if (!factor && scaling.kind != RopeScalingKind::kYarn)
    rope.refuse("factor", fmt::format("is missing in a rope scaling of type {}", type));
  scaling.factor = factor.value_or(context / scaling.original_context);
  if (scaling.kind == RopeScalingKind::kLlama3) {
    scaling.low_frequency_factor = rope.number("low_freq_factor", 1);
    scaling.high_frequency_factor = rope.number("high_freq_factor", 4);
  }
  if (scaling.kind == RopeScalingKind::kYarn) read_yarn(rope, scaling);
}

void read_sections(const ConfigReader& rope, TextConfig& text) {
  const Json* sections = rope.find("mrope_section");
  if (sections == nullptr) return;
  const bool is_list =
      sections->is_array() && sections->size() <= 8 && std::ranges::all_of(*sections, [](const Json& one) {
        return one.is_number_unsigned() && one.get<uint64_t>() <= uint64_t{kMaxWidth};
      });
  if (!is_list) rope.refuse("mrope_section", "is no list of whole numbers");
  for (const Json& section : *sections) text.rope_sections.push_back(section.get<int64_t>());
}

void read_rope(const ConfigReader& config, const HuggingFaceType& family, TextConfig& text) {
  const auto parameters = config.find_object("rope_parameters");
  const auto rope = parameters ? parameters : config.find_object("rope_scaling");
  const auto number = [&](std::string_view key, double fallback) {
    const double outer = config.number(key, fallback);
    return rope ? rope->number(key, outer) : outer;
  };
  text.rope_theta = number("rope_theta", 10000.0);
  const double part = number("partial_rotary_factor", family.partial_rotary);
  if (!(part > 0) || part > 1)
    config.refuse("partial_rotary_factor", fmt::format("is {}, expected above 0 and at most 1", part));
  text.rope_dims = static_cast<int64_t>(static_cast<double>(text.head_size) * part);
  text.rope_pairing = family.rope_pairing;
  if (!rope) return;
  for (const std::string_view layer_type : {"full_attention", "sliding_attention"}) {
    if (rope->find(layer_type) != nullptr)
      rope->unsupported("rope_parameters", "differ from layer to layer, which is not supported");
  }
  read_scaling(*rope, rope->find_text("rope_type").value_or(rope->find_text("type").value_or("default")),
               text);
  read_sections(*rope, text);
}

// Which layers attend over a window: layer_types, or those from max_window_layers on.
void read_layer_types(const ConfigReader& config, TextConfig& text) {
  const Json* types = config.find("layer_types");
  if (types == nullptr) {
    const int64_t first = config.find_size("max_window_layers", kMaxWidth).value_or(0);
    for (int64_t i = 0; i < text.layers; ++i) text.windowed_layers.push_back(i >= first);
    return;
  }
  if (!types->is_array() || static_cast<int64_t>(types->size()) != text.layers)
    config.refuse("layer_types", fmt::format("is no list of {} layers", text.layers));
  for (const Json& type : *types) {
    if (type != "full_attention" && type != "sliding_attention") {
      config.unsupported("layer_types", fmt::format("has {}, known: full_attention, sliding_attention",
                                                    ConfigReader::shown(type)));
    }
    text.windowed_layers.push_back(type == "sliding_attention");
  }
}

void read_window(const ConfigReader& config, const HuggingFaceType& family, TextConfig& text) {
  if (family.window == HuggingFaceWindow::kNone) return;
  const bool by_layer = family.window == HuggingFaceWindow::kLayerTypes;
  if (by_layer && !config.find_bool("use_sliding_window").value_or(false)) return;
  text.attention_window = config.find_size("sliding_window", kMaxContext).value_or(0);
  if (by_layer && text.attention_window > 0) read_layer_types(config, text);
}

void read_experts(const ConfigReader& config, TextConfig& text) {
  ExpertConfig& experts = text.experts;
  experts.count = config.size("n_routed_experts", kMaxExperts);
  experts.used = config.size("num_experts_per_tok", kMaxExperts);
  experts.ffn_size = config.size("moe_intermediate_size", kMaxWidth);
  experts.shared = config.count("n_shared_experts", kMaxExperts, 0);
  experts.dense_layers = config.count("first_k_dense_replace", kMaxLayers, 0);
  experts.groups = config.find_size("n_group", kMaxExperts).value_or(1);
  experts.groups_used = config.find_size("topk_group", kMaxExperts).value_or(experts.groups);
  experts.scale = config.number("routed_scaling_factor", 1.0);
  experts.normed = config.find_bool("norm_topk_prob").value_or(true);
}

void read_transformers_keys(const ConfigReader& config, const HuggingFaceType& family, TextConfig& text) {
  require_activation(config, "hidden_act");
  text.hidden_size = config.size("hidden_size", kMaxWidth);
  text.layers = config.size("num_hidden_layers", kMaxLayers);
  text.heads = config.size("num_attention_heads", kMaxWidth);
  text.kv_heads = config.find_size("num_key_value_heads", kMaxWidth).value_or(text.heads);
  text.head_size = config.find_size("head_dim", kMaxWidth).value_or(text.hidden_size / text.heads);
  text.ffn_size = config.size("intermediate_size", kMaxWidth);
  text.vocab_size = config.size("vocab_size", kMaxWidth);
  text.context_tokens = config.size("max_position_embeddings", kMaxContext);
  const auto epsilon = config.find_number("rms_norm_eps");
  if (!epsilon) config.refuse("rms_norm_eps", "is missing; a model with another norm is not supported");
  text.rms_epsilon = static_cast<float>(*epsilon);
  read_rope(config, family, text);
  read_window(config, family, text);
}

// Half of each head is rotated; rope_ratio multiplies the base.
void read_chatglm_keys(const ConfigReader& config, const HuggingFaceType& family, TextConfig& text) {
  require(config, "rmsnorm", true);
  require(config, "post_layer_norm", true);
  require(config, "apply_residual_connection_post_layernorm", false);
  require(config, "add_bias_linear", false);
  text.hidden_size = config.size("hidden_size", kMaxWidth);
  text.layers = config.size("num_layers", kMaxLayers);
  text.heads = config.size("num_attention_heads", kMaxWidth);
  const bool grouped = config.find_bool("multi_query_attention").value_or(true);
  text.kv_heads = grouped ? config.find_size("multi_query_group_num", kMaxWidth).value_or(1) : text.heads;
  text.head_size = config.find_size("kv_channels", kMaxWidth).value_or(text.hidden_size / text.heads);
  text.ffn_size = config.size("ffn_hidden_size", kMaxWidth);
  text.vocab_size = config.size("padded_vocab_size", kMaxWidth);
  text.context_tokens = config.size("seq_length", kMaxContext);
  text.rms_epsilon = static_cast<float>(config.number("layernorm_epsilon", 1e-5));
  text.rope_theta = 10000.0 * config.number("rope_ratio", 1.0);
  text.rope_dims = static_cast<int64_t>(static_cast<double>(text.head_size) * family.partial_rotary);
  text.rope_pairing = family.rope_pairing;
}

}  // namespace

HuggingFaceConfig read_hugging_face_config(const Json& config, std::string_view where) {
  if (!config.is_object()) fail(ErrorCode::kCorruptData, where, "is no JSON object");
  const ConfigReader top(config, where);
  const auto type = top.find_text("model_type");
  if (!type) fail(ErrorCode::kCorruptData, where, "has no model_type; this is no config of a model");
  const HuggingFaceFamily family = find_hugging_face_family(*type, where);
  refuse_quantised(top);
  const ConfigReader text = top.find_object("text_config").value_or(top);
  refuse_quantised(text);
  HuggingFaceConfig result = {
      family, {}, top.find_bool("tie_word_embeddings"), top.find("vision_config") != nullptr};
  if (!result.tied_head) result.tied_head = text.find_bool("tie_word_embeddings");
  result.text.architecture = family.architecture.name;
  if (family.architecture.has_experts) read_experts(text, result.text);
  if (family.type.keys == HuggingFaceKeys::kChatGlm) {
    read_chatglm_keys(text, family.type, result.text);
  } else {
    read_transformers_keys(text, family.type, result.text);
  }
  check_text_config(result.text, where);
  return result;
}

}  // namespace oag
