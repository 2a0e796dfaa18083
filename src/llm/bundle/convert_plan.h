#pragma once

#include <optional>
#include <vector>

#include "engine/formats/gguf/quant_recipe.h"
#include "llm/bundle/bundle.h"
#include "llm/bundle/tensor_plan.h"

namespace oag {

// The text part of a Hugging Face folder as GGUF has it: q and k rows in GGUF's order, the experts of a layer
// in one tensor, vectors and routers as f32, rope_freqs.weight for a Llama-3 scaling; nothing for `recipe`:
// other matrices as they are stored. Errors: kCorruptData where an expert is missing.
std::vector<PlannedTensor> plan_gguf_text(const ModelBundle& bundle, std::optional<QuantRecipe> recipe);

// Its vision tower: vectors and the table of positions as f32, convolutions as f16, unless all is f32.
std::vector<PlannedTensor> plan_gguf_vision(const VisionBundle& vision, QuantRecipe recipe);

// A GGUF file's tensors with other types, whatever its architecture. `tensors` are list_tensors(file).
std::vector<PlannedTensor> plan_gguf_copy(const GgufFile& file, const std::vector<StoredTensor>& tensors,
                                          std::optional<QuantRecipe> recipe);
// And its keys: those that say how it is stored are changed.
std::vector<GgufMetadata::Entry> copied_gguf_keys(const GgufFile& file, std::optional<QuantRecipe> recipe);

// The type that holds most bytes.
DType most_stored(const std::vector<PlannedTensor>& tensors);

// general.file_type of tensors that are stored as f32, f16 or bf16.
uint32_t stored_file_type(const std::vector<PlannedTensor>& tensors);
GgufMetadata::Entry file_type_key(uint32_t file_type);

}  // namespace oag
