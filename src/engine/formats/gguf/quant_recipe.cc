#include "engine/formats/gguf/quant_recipe.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/error.h"

namespace oag {
namespace {

constexpr std::array<QuantRecipeInfo, 20> kRecipes = {{
    {QuantRecipe::kF32, "f32", 0, DType::kF32},
    {QuantRecipe::kF16, "f16", 1, DType::kF16},
    {QuantRecipe::kBF16, "bf16", 32, DType::kBF16},
    {QuantRecipe::kQ4_0, "q4_0", 2, DType::kQ4_0},
    {QuantRecipe::kQ4_1, "q4_1", 3, DType::kQ4_1},
    {QuantRecipe::kQ5_0, "q5_0", 8, DType::kQ5_0},
    {QuantRecipe::kQ5_1, "q5_1", 9, DType::kQ5_1},
    {QuantRecipe::kQ8_0, "q8_0", 7, DType::kQ8_0},
    {QuantRecipe::kQ2_K, "q2_k", 10, DType::kQ2_K},
    {QuantRecipe::kQ3_K_S, "q3_k_s", 11, DType::kQ3_K},
    {QuantRecipe::kQ3_K_M, "q3_k_m", 12, DType::kQ3_K},
    {QuantRecipe::kQ3_K_L, "q3_k_l", 13, DType::kQ3_K},
    {QuantRecipe::kQ4_K_S, "q4_k_s", 14, DType::kQ4_K},
    {QuantRecipe::kQ4_K_M, "q4_k_m", 15, DType::kQ4_K},
    {QuantRecipe::kQ5_K_S, "q5_k_s", 16, DType::kQ5_K},
    {QuantRecipe::kQ5_K_M, "q5_k_m", 17, DType::kQ5_K},
    {QuantRecipe::kQ6_K, "q6_k", 18, DType::kQ6_K},
    {QuantRecipe::kIQ4_NL, "iq4_nl", 25, DType::kIQ4_NL},
    {QuantRecipe::kIQ4_XS, "iq4_xs", 30, DType::kIQ4_XS},
    {QuantRecipe::kMXFP4_MoE, "mxfp4_moe", 38, DType::kMXFP4},
}};

// What a matrix does in the model, as far as recipes care.
enum class Role { kKept, kOutput, kEmbedding, kValue, kKey, kAttentionOutput, kDown, kOther };

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Small, or read value by value: norms, routers, convolutions, position tables.
bool is_kept(const QuantTensor& tensor) {
  if (tensor.dims.size() < 2 || !tensor.name.ends_with("weight")) return true;
  constexpr std::string_view kKeptParts[] = {"_norm.weight",  "ffn_gate_inp.weight", ".position_embd",
                                             ".patch_embd",   ".patch_merger",       "conv1d",
                                             "shortconv.conv"};
  return tensor.name == "position_embd.weight" || tensor.name == "token_types.weight" ||
         std::ranges::any_of(kKeptParts, [&](std::string_view part) { return contains(tensor.name, part); });
}

Role role_of(const QuantTensor& tensor) {
  const std::string_view name = tensor.name;
  if (is_kept(tensor)) return Role::kKept;
  if (name == "output.weight") return Role::kOutput;
  if (name == "token_embd.weight") return Role::kEmbedding;
  for (const std::string_view value : {"attn_v.weight", "attn_qkv.weight", "attn_kv_b.weight"}) {
    if (contains(name, value)) return Role::kValue;
  }
  if (contains(name, "attn_k.weight")) return Role::kKey;
  if (contains(name, "attn_output.weight")) return Role::kAttentionOutput;
  return contains(name, "ffn_down") ? Role::kDown : Role::kOther;
}

// The N of "…blk.N.…", else 0.
int64_t layer_of(std::string_view name) {
  const size_t at = name.find("blk.");
  int64_t layer = 0;
  if (at != std::string_view::npos) std::from_chars(name.data() + at + 4, name.data() + name.size(), layer);
  return layer;
}

// Where a tensor stands among those of its role.
struct Place {
  int64_t layer;
  int64_t count;

  bool in_first(int64_t share) const { return layer < count / share; }
  // The first and last eighth and every third layer between, whose errors cost most.
  bool deserves_more() const { return in_first(8) || layer >= 7 * count / 8 || (layer - count / 8) % 3 == 2; }
};

DType value_type(QuantRecipe recipe, DType base, const Place& place, const QuantModel& model) {
  if (model.experts == 8) return DType::kQ8_0;
  const int64_t group = model.kv_heads > 0 ? model.heads / model.kv_heads : 0;
  DType type = base;
  switch (recipe) {
    case QuantRecipe::kQ2_K: type = group >= 4 ? DType::kQ4_K : DType::kQ3_K; break;
    case QuantRecipe::kQ3_K_M: type = place.layer < 2 ? DType::kQ5_K : DType::kQ4_K; break;
    case QuantRecipe::kQ3_K_L: type = DType::kQ5_K; break;
    case QuantRecipe::kQ4_K_S: type = place.layer < 4 ? DType::kQ5_K : base; break;
    case QuantRecipe::kQ4_K_M:
    case QuantRecipe::kQ5_K_M: type = place.deserves_more() ? DType::kQ6_K : base; break;
    case QuantRecipe::kIQ4_NL:
    case QuantRecipe::kIQ4_XS: type = group >= 4 ? DType::kQ5_K : base; break;
    default: break;
  }
  // In models of 70B shape the matrix is small beside the others.
  const bool is_70b = model.layers == 80 && model.heads != model.kv_heads;
  return is_70b && (type == DType::kQ3_K || type == DType::kQ4_K) ? DType::kQ5_K : type;
}

DType down_type(QuantRecipe recipe, DType base, const Place& place) {
  switch (recipe) {
    case QuantRecipe::kQ2_K: return DType::kQ3_K;
    case QuantRecipe::kQ3_K_M: return place.in_first(16) ? DType::kQ5_K : DType::kQ4_K;
    case QuantRecipe::kQ3_K_L: return DType::kQ5_K;
    case QuantRecipe::kQ4_K_S:
    case QuantRecipe::kIQ4_NL:
    case QuantRecipe::kIQ4_XS: return place.in_first(8) ? DType::kQ5_K : base;
    case QuantRecipe::kQ4_K_M:
    case QuantRecipe::kQ5_K_M: return place.deserves_more() ? DType::kQ6_K : base;
    default: return base;
  }
}

DType attention_output_type(QuantRecipe recipe, DType base, const QuantModel& model) {
  if (model.experts == 8) {
    switch (recipe) {
      case QuantRecipe::kQ2_K:
      case QuantRecipe::kQ3_K_S:
      case QuantRecipe::kQ3_K_M:
      case QuantRecipe::kQ4_K_S:
      case QuantRecipe::kQ4_K_M:
      case QuantRecipe::kIQ4_NL:
      case QuantRecipe::kIQ4_XS: return DType::kQ5_K;
      default: return base;
    }
  }
  switch (recipe) {
    case QuantRecipe::kQ2_K: return DType::kQ3_K;
    case QuantRecipe::kQ3_K_M: return DType::kQ4_K;
    case QuantRecipe::kQ3_K_L: return DType::kQ5_K;
    default: return base;
  }
}

DType head_type(DType base, int64_t row) {
  return base == DType::kQ8_0 || row % dtype_info(base).block_values != 0 ? DType::kQ8_0 : DType::kQ6_K;
}

DType kept_type(const QuantTensor& tensor) {
  if (!is_float(tensor.source) && !is_block_format(tensor.source)) return tensor.source;
  const bool is_exact = contains(tensor.name, "_norm.weight") || contains(tensor.name, "ffn_gate_inp.weight");
  return tensor.source == DType::kF16 && tensor.dims.size() > 1 && !is_exact ? DType::kF16 : DType::kF32;
}

// A format that holds as much or more, with blocks of 32 values instead of 256.
DType smaller_blocks(DType type) {
  switch (type) {
    case DType::kQ2_K:
    case DType::kQ3_K: return DType::kQ4_0;
    case DType::kQ4_K: return DType::kQ5_0;
    case DType::kQ5_K: return DType::kQ5_1;
    case DType::kQ6_K: return DType::kQ8_0;
    case DType::kIQ4_XS: return DType::kIQ4_NL;
    default: return type;
  }
}

DType fitting(DType type, int64_t row) {
  for (const DType each : {type, smaller_blocks(type)}) {
    if (row % dtype_info(each).block_values == 0) return each;
  }
  return DType::kF16;
}

struct Chooser {
  QuantRecipe recipe;
  const QuantModel& model;
  bool tied;                          // the embedding is the output matrix too
  std::vector<int64_t> value_layers;  // sorted

  DType wanted(const QuantTensor& tensor, Role role) const {
    const DType base = quant_recipe_info(recipe).base;
    if (!is_block_format(base)) return base;
    const int64_t row = tensor.dims.back();
    const int64_t layer = layer_of(tensor.name);
    if (recipe == QuantRecipe::kMXFP4_MoE) {
      const bool is_head = role == Role::kOutput || (tied && role == Role::kEmbedding);
      const bool is_experts = tensor.dims.size() > 2 && tensor.dims[tensor.dims.size() - 3] > 1;
      return is_experts && !is_head ? DType::kMXFP4 : DType::kQ8_0;
    }
    switch (role) {
      case Role::kOutput: return head_type(base, row);
      case Role::kEmbedding: return tied ? head_type(base, row) : base;
      case Role::kValue: {
        const auto rank = std::ranges::lower_bound(value_layers, layer) - value_layers.begin();
        return value_type(recipe, base, {rank, static_cast<int64_t>(value_layers.size())}, model);
      }
      case Role::kKey: return model.experts == 8 ? DType::kQ8_0 : base;
      case Role::kAttentionOutput: return attention_output_type(recipe, base, model);
      case Role::kDown: return down_type(recipe, base, {layer, model.layers});
      default: return base;
    }
  }
};

}  // namespace

std::span<const QuantRecipeInfo> quant_recipes() {
  return kRecipes;
}

const QuantRecipeInfo& quant_recipe_info(QuantRecipe recipe) {
  return kRecipes[static_cast<size_t>(recipe)];
}

QuantRecipe quant_recipe_from_name(std::string_view name) {
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (lower == "q3_k" || lower == "q4_k" || lower == "q5_k") lower += "_m";
  if (lower == "mxfp4") lower = "mxfp4_moe";
  std::string names;
  for (const QuantRecipeInfo& info : kRecipes) {
    if (info.name == lower) return info.recipe;
    names += names.empty() ? "" : " ";
    names += info.name;
  }
  fail(ErrorCode::kInvalidArgument, "quantisation", "'{}' is none of: {}", name, names);
}

std::vector<DType> choose_types(QuantRecipe recipe, const QuantModel& model,
                                std::span<const QuantTensor> tensors) {
  Chooser chooser = {recipe, model, true, {}};
  for (const QuantTensor& tensor : tensors) {
    const Role role = role_of(tensor);
    if (tensor.name == "output.weight") chooser.tied = false;
    if (role == Role::kValue) chooser.value_layers.push_back(layer_of(tensor.name));
  }
  std::ranges::sort(chooser.value_layers);
  std::vector<DType> types;
  types.reserve(tensors.size());
  for (const QuantTensor& tensor : tensors) {
    const Role role = role_of(tensor);
    const bool is_number = is_float(tensor.source) || is_block_format(tensor.source);
    types.push_back(role == Role::kKept || !is_number
                        ? kept_type(tensor)
                        : fitting(chooser.wanted(tensor, role), tensor.dims.back()));
  }
  return types;
}

}  // namespace oag
