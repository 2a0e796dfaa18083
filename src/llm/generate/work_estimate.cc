#include "llm/generate/work_estimate.h"

#include <algorithm>

#include "llm/generate/model_runner.h"

namespace oag {
namespace {

void add(ProductWeights& to, const StoredTensor& tensor) {
  const auto values = static_cast<double>(element_count(tensor.dims));
  if (tensor.dtype == DType::kUndefined) return;
  (is_block_format(tensor.dtype) ? to.block_values : to.float_values) += values;
  to.bytes += static_cast<double>(tensor_bytes(tensor.dtype, Dims(tensor.dims)));
}

// `rows` rows through products whose weights are read `reads` times.
WorkEstimate work_of(const ProductWeights& weights, double rows, double reads) {
  return {2 * weights.float_values * rows, 2 * weights.block_values * rows, weights.bytes * reads};
}

// Scores and their mean over the values, for pairs of a token and one that it sees.
double attention_ops(double pairs, int64_t width, int64_t layers) {
  return 4 * pairs * static_cast<double>(width * layers);
}

double seconds_of(const WorkEstimate& work, const MachineLimits& limits, double compute, double bandwidth) {
  const double arithmetic =
      (work.f32_ops / limits.f32_gflop_s + work.int8_ops / limits.int8_gop_s) * 1e-9 / compute;
  return std::max(arithmetic, work.read_bytes * 1e-9 / limits.bandwidth_gb_s / bandwidth);
}

double agent_seconds(const AgentWork& work, double (*seconds)(const WorkEstimate&, const MachineLimits&),
                     const MachineLimits& limits) {
  return seconds(work.vision, limits) + seconds(work.prefill, limits) + seconds(work.decode, limits);
}

}  // namespace

WorkEstimate& WorkEstimate::operator+=(const WorkEstimate& other) {
  f32_ops += other.f32_ops;
  int8_ops += other.int8_ops;
  read_bytes += other.read_bytes;
  return *this;
}

TextProducts text_products(std::span<const StoredTensor> tensors) {
  TextProducts products;
  const StoredTensor* head = nullptr;
  for (const StoredTensor& tensor : tensors) {
    const std::string& name = tensor.gguf_name;
    if (name.starts_with("blk.") && tensor.dims.size() >= 2) add(products.layers, tensor);
    const bool embedding = name == "token_embd.weight";
    if (name == "output.weight" || (embedding && head == nullptr)) head = &tensor;
  }
  if (head != nullptr) add(products.head, *head);
  return products;
}

VisionProducts vision_products(std::span<const StoredTensor> tensors) {
  VisionProducts products;
  for (const StoredTensor& tensor : tensors) {
    const std::string& name = tensor.gguf_name;
    if (tensor.dims.size() < 2) continue;
    if (name.starts_with("v.blk.") || name.starts_with("v.patch_embd.")) add(products.patches, tensor);
    if (name.starts_with("mm.")) add(products.rows, tensor);
  }
  return products;
}

WorkEstimate vision_work(const VisionProducts& products, const VisionConfig& config, int64_t patches) {
  const auto count = static_cast<double>(patches);
  WorkEstimate work = work_of(products.patches, count, 1);
  work += work_of(products.rows, count / static_cast<double>(config.merge_size * config.merge_size), 1);
  work.f32_ops += attention_ops(count * count, config.hidden_size, config.layers);
  return work;
}

WorkEstimate prefill_work(const TextProducts& products, const TextConfig& config, int64_t tokens,
                          int64_t step_tokens) {
  const auto count = static_cast<double>(tokens);
  const int64_t steps = (tokens + step_tokens - 1) / step_tokens;
  WorkEstimate work = work_of(products.layers, count, static_cast<double>(steps));
  work += work_of(products.head, 1, 1);
  work.f32_ops += attention_ops(count * (count + 1) / 2, config.heads * config.head_size, config.layers);
  return work;
}

WorkEstimate decode_work(const TextProducts& products, const TextConfig& config, int64_t context,
                         int64_t tokens, DType cache_dtype) {
  const auto count = static_cast<double>(tokens);
  const double pairs = count * static_cast<double>(context) + count * (count + 1) / 2;
  WorkEstimate work = work_of(products.layers, count, count);
  work += work_of(products.head, count, count);
  work.f32_ops += attention_ops(pairs, config.heads * config.head_size, config.layers);
  work.read_bytes += pairs * static_cast<double>(cache_bytes_per_token(config, cache_dtype));
  return work;
}

double seconds_at_limits(const WorkEstimate& work, const MachineLimits& limits) {
  return seconds_of(work, limits, 1, 1);
}

double seconds_expected(const WorkEstimate& work, const MachineLimits& limits) {
  return seconds_of(work, limits, kExpectedComputeShare, kExpectedBandwidthShare);
}

WorkEstimate AgentWork::total() const {
  WorkEstimate all = vision;
  all += prefill;
  all += decode;
  return all;
}

AgentWork agent_work(const AgentStep& step, const TextConfig& text, const TextProducts& products,
                     const VisionConfig* vision, const VisionProducts& tower, DType cache_dtype) {
  constexpr int64_t kStepTokens = 256;  // LanguageModelOptions::step_tokens
  const int64_t prompt = step.text_tokens + (vision != nullptr ? step.image_tokens : 0);
  AgentWork work;
  if (vision != nullptr) work.vision = vision_work(tower, *vision, step.patches);
  work.prefill = prefill_work(products, text, prompt, kStepTokens);
  work.decode = decode_work(products, text, prompt, step.answer_tokens, cache_dtype);
  return work;
}

double agent_seconds_at_limits(const AgentWork& work, const MachineLimits& limits) {
  return agent_seconds(work, seconds_at_limits, limits);
}

double agent_seconds_expected(const AgentWork& work, const MachineLimits& limits) {
  return agent_seconds(work, seconds_expected, limits);
}

HardwareNeed hardware_for(const AgentWork& work, double seconds) {
  const double half = seconds / 2;
  return {seconds, (work.vision.ops() + work.prefill.ops()) * 1e-12 / half / kExpectedComputeShare,
          work.decode.read_bytes * 1e-9 / half / kExpectedBandwidthShare};
}

std::vector<RecipeSize> recipe_sizes(const TextConfig& config, std::span<const StoredTensor> tensors) {
  std::vector<QuantTensor> sources;
  std::vector<StoredTensor> chosen;
  for (const StoredTensor& tensor : tensors) {
    if (tensor.gguf_name.empty() || tensor.dtype == DType::kUndefined) continue;
    sources.push_back({tensor.gguf_name, tensor.dtype, tensor.dims});
    chosen.push_back(tensor);
  }
  std::vector<RecipeSize> sizes;
  for (const QuantRecipeInfo& info : quant_recipes()) {
    if (info.recipe == QuantRecipe::kF32 || info.recipe == QuantRecipe::kMXFP4_MoE) continue;
    const std::vector<DType> types =
        choose_types(info.recipe, {config.layers, config.heads, config.kv_heads, 0}, sources);
    RecipeSize size = {info.recipe, info.name, 0, 0, 0};
    double values = 0;
    for (size_t i = 0; i < types.size(); ++i) {
      chosen[i].dtype = types[i];
      size.weight_bytes += tensor_bytes(types[i], Dims(chosen[i].dims));
      values += static_cast<double>(element_count(chosen[i].dims));
    }
    size.bits_per_weight = values > 0 ? static_cast<double>(size.weight_bytes) * 8 / values : 0;
    const TextProducts products = text_products(chosen);
    size.read_bytes = products.layers.bytes + products.head.bytes;
    sizes.push_back(size);
  }
  // No stable sort: its temporary buffer is deprecated in the standard library at hand.
  std::sort(sizes.begin(), sizes.end(), [](const RecipeSize& a, const RecipeSize& b) {
    return a.weight_bytes != b.weight_bytes ? a.weight_bytes > b.weight_bytes : a.recipe < b.recipe;
  });
  return sizes;
}

std::optional<int64_t> fitting_context(const TextConfig& config, DType cache_dtype, uint64_t free_bytes) {
  if (config.head_size % dtype_info(cache_dtype).block_values != 0) return std::nullopt;
  const uint64_t fitting = free_bytes / cache_bytes_per_token(config, cache_dtype);
  return static_cast<int64_t>(std::min<uint64_t>(fitting, static_cast<uint64_t>(config.context_tokens)));
}

}  // namespace oag
