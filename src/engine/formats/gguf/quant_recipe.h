#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tensor/dtype.h"

namespace oag {

// A way to store a whole model: which type each tensor gets. The mixtures and their numbers are llama.cpp's,
// so that a name means the same in both.
enum class QuantRecipe : uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ2_K,
  kQ3_K_S,
  kQ3_K_M,
  kQ3_K_L,
  kQ4_K_S,
  kQ4_K_M,
  kQ5_K_S,
  kQ5_K_M,
  kQ6_K,
  kIQ4_NL,
  kIQ4_XS,
  kMXFP4_MoE,  // experts in mxfp4, the rest in q8_0
};

struct QuantRecipeInfo {
  QuantRecipe recipe;
  std::string_view name;  // "q4_k_m"
  uint32_t file_type;     // general.file_type
  DType base;             // what most weights get
};

// Every recipe, in the order of the enumeration.
std::span<const QuantRecipeInfo> quant_recipes();
const QuantRecipeInfo& quant_recipe_info(QuantRecipe recipe);

// By name, in either case; "q3_k", "q4_k", "q5_k" mean their _m, "mxfp4" means mxfp4_moe. Errors:
// kInvalidArgument, listing the names.
QuantRecipe quant_recipe_from_name(std::string_view name);

// What a recipe asks about a model; for a vision file all zero.
struct QuantModel {
  int64_t layers = 0;    // {arch}.block_count
  int64_t heads = 0;     // {arch}.attention.head_count (of the first layer)
  int64_t kv_heads = 0;  // {arch}.attention.head_count_kv, else heads
  int64_t experts = 0;   // {arch}.expert_count, else 0
};

struct QuantTensor {
  std::string_view name;          // GGUF's: "blk.3.attn_v.weight"
  DType source;                   // how it is stored now
  std::span<const int64_t> dims;  // row-major, slowest first
};

// The storage type of each of a file's tensors, all of which must be given: some choices depend on how many
// there are. Vectors, norms and expert routers become f32; convolutions and position tables stay f16 or
// become f32; integers stay; rows that are no multiple of a format's block get the next larger format whose
// blocks fit (q4_k: q5_0, q5_k: q5_1, q6_k: q8_0, q2_k and q3_k: q4_0, iq4_xs: iq4_nl), else f16.
std::vector<DType> choose_types(QuantRecipe recipe, const QuantModel& model,
                                std::span<const QuantTensor> tensors);

}  // namespace oag
