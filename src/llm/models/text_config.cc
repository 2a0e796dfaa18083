#include "llm/models/text_config.h"

#include <algorithm>

#include "base/error.h"

namespace oag {
namespace {

constexpr int64_t kMaxLayers = 4096;
constexpr int64_t kMaxWidth = int64_t{1} << 24;

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
  double number(std::string_view key, double fallback) const {
    return metadata_.find_f64(prefix_ + std::string(key)).value_or(fallback);
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

void read_rope_scaling(const GgufMetadata& metadata, const KeyReader& keys, TextConfig& config) {
  const auto type = metadata.find_string(config.architecture + ".rope.scaling.type");
  if (!type || *type == "none" || *type == "llama3")
    return;  // llama3: the divisors stand in rope_freqs.weight
  if (*type != "linear") {
    fail(ErrorCode::kUnsupported, metadata.where(),
         "rope scaling \"{}\" is not supported; known: none, linear, llama3", *type);
  }
  config.rope_linear_factor = keys.number("rope.scaling.factor", 1.0);
  if (!(config.rope_linear_factor > 0)) keys.refuse("rope.scaling.factor", "is not above 0");
}

// M-RoPE's sections; a last one of 0 is left out, as files have four numbers.
void read_rope_sections(const GgufMetadata& metadata, const KeyReader& keys, TextConfig& config) {
  const auto stored = metadata.find_i32_array(config.architecture + ".rope.dimension_sections");
  if (!stored) return;
  int64_t total = 0;
  for (const int32_t section : *stored) {
    if (section < 0 || section > config.rope_dims)
      keys.refuse("rope.dimension_sections", fmt::format("{} is outside [0, {}]", section, config.rope_dims));
    config.rope_sections.push_back(section);
    total += section;
  }
  while (!config.rope_sections.empty() && config.rope_sections.back() == 0) config.rope_sections.pop_back();
  if (total != config.rope_dims / 2) {
    keys.refuse("rope.dimension_sections",
                fmt::format("its sections have {} frequencies, {} turned elements have {}", total,
                            config.rope_dims, config.rope_dims / 2));
  }
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
  config.context_tokens = keys.size("context_length", int64_t{1} << 31);
  config.head_size = keys.size("attention.key_length", kMaxWidth, config.hidden_size / config.heads);
  config.rms_epsilon = static_cast<float>(keys.number("attention.layer_norm_rms_epsilon", 1e-5));
  config.rope_theta = keys.number("rope.freq_base", 10000.0);
  config.rope_dims = keys.size("rope.dimension_count", kMaxWidth, config.head_size);
  config.attention_window = static_cast<int64_t>(std::min<uint64_t>(
      metadata.find_u64(config.architecture + ".attention.sliding_window").value_or(0), 1u << 31));
  if (const auto experts = metadata.find_u64(config.architecture + ".expert_count").value_or(0);
      experts > 0) {
    fail(ErrorCode::kUnsupported, metadata.where(), "is a mixture of {} experts, which is not supported yet",
         experts);
  }
  if (config.heads % config.kv_heads != 0) {
    keys.refuse("attention.head_count_kv",
                fmt::format("{} does not divide the {} query heads", config.kv_heads, config.heads));
  }
  if (config.head_size <= 0 || config.rope_dims > config.head_size || config.rope_dims % 2 != 0) {
    keys.refuse("rope.dimension_count",
                fmt::format("{} is odd or larger than the head size {}", config.rope_dims, config.head_size));
  }
  if (keys.size("attention.value_length", kMaxWidth, config.head_size) != config.head_size) {
    keys.refuse("attention.value_length",
                fmt::format("differs from the key length {}, which is not supported", config.head_size));
  }
  if (!(config.rope_theta > 0) || !(config.rms_epsilon > 0))
    keys.refuse("rope.freq_base", "or the norm's epsilon is not above 0");
  read_rope_scaling(metadata, keys, config);
  read_rope_sections(metadata, keys, config);
  return config;
}

}  // namespace oag
