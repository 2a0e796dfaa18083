#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/device/device.h"
#include "engine/formats/gguf/quant_recipe.h"
#include "llm/models/text_config.h"
#include "llm/models/vision_config.h"
#include "llm/models/weights.h"

namespace oag {

// What a model has to compute and read, from its numbers and tensors alone: nothing is compiled or loaded,
// and tensors need no bytes. Two operations are a multiply-add.

struct WorkEstimate {
  double f32_ops = 0;     // attention, and products with weights stored as floats
  double int8_ops = 0;    // products with weights stored in blocks
  double read_bytes = 0;  // weights and cache

  double ops() const { return f32_ops + int8_ops; }
  WorkEstimate& operator+=(const WorkEstimate& other);
};

// Weights of products that each of some rows meets once.
struct ProductWeights {
  double float_values = 0, block_values = 0;
  double bytes = 0;  // as stored

  double values() const { return float_values + block_values; }
};

// The products of a language model: of its layers, and of the head. Experts count as if each token met all.
struct TextProducts {
  ProductWeights layers, head;
};
TextProducts text_products(std::span<const StoredTensor> tensors);

// The products of a vision tower: for each patch, and for each row that it makes.
struct VisionProducts {
  ProductWeights patches, rows;
};
VisionProducts vision_products(std::span<const StoredTensor> tensors);

// Pictures of `patches` patches, each seen by all others.
WorkEstimate vision_work(const VisionProducts& products, const VisionConfig& config, int64_t patches);

// Reading a prompt in steps of `step_tokens`, its last token with logits.
WorkEstimate prefill_work(const TextProducts& products, const TextConfig& config, int64_t tokens,
                          int64_t step_tokens);

// An answer of `tokens` behind `context` tokens, alone, with a cache of `cache_dtype`.
WorkEstimate decode_work(const TextProducts& products, const TextConfig& config, int64_t context,
                         int64_t tokens, DType cache_dtype);

// The least that `work` takes: arithmetic or memory, whichever is slower.
double seconds_at_limits(const WorkEstimate& work, const MachineLimits& limits);

// What of a machine's limits products and attention of long prompts, and the reading of weights, are expected
// to reach (docs/performance.md: 45 to 88 % and 80 to 95 %).
inline constexpr double kExpectedComputeShare = 0.7;
inline constexpr double kExpectedBandwidthShare = 0.85;

// The same as seconds_at_limits with these shares of them.
double seconds_expected(const WorkEstimate& work, const MachineLimits& limits);

// One step of an agent on a phone: it looks at a screen, reads the conversation, and answers.
struct AgentStep {
  int64_t patches = 13416;      // of a screen of 1080x2400; 0: no picture
  int64_t image_tokens = 3354;  // that the screen becomes
  int64_t text_tokens = 1200;   // system message, task and history
  int64_t answer_tokens = 150;
};

struct AgentWork {
  WorkEstimate vision, prefill, decode;

  WorkEstimate total() const;
};
// Without a tower (null), of text alone.
AgentWork agent_work(const AgentStep& step, const TextConfig& text, const TextProducts& products,
                     const VisionConfig* vision, const VisionProducts& tower, DType cache_dtype);

double agent_seconds_at_limits(const AgentWork& work, const MachineLimits& limits);
double agent_seconds_expected(const AgentWork& work, const MachineLimits& limits);

// A machine on which a step takes `seconds`: half of them for arithmetic, half for reading the weights for
// the answer, at the expected shares of its limits.
struct HardwareNeed {
  double seconds = 0;
  double tera_ops = 0;        // 10^12 operations a second, in the arithmetic that the weights take
  double bandwidth_gb_s = 0;  // 10^9 bytes
};
HardwareNeed hardware_for(const AgentWork& work, double seconds);

// What a model takes as a GGUF file of each recipe.
struct RecipeSize {
  QuantRecipe recipe;
  std::string_view name;
  uint64_t weight_bytes = 0;
  double bits_per_weight = 0;
  double read_bytes = 0;  // of layers and head: what a token of an answer reads
};
// Only tensors with GGUF names count. Errors: those of choose_types.
std::vector<RecipeSize> recipe_sizes(const TextConfig& config, std::span<const StoredTensor> tensors);

// Positions of a cache of `cache_dtype` that `free_bytes` hold, at most what the model was trained for;
// nothing where its heads are no whole blocks of that type.
std::optional<int64_t> fitting_context(const TextConfig& config, DType cache_dtype, uint64_t free_bytes);

}  // namespace oag
