#pragma once

#include <optional>
#include <vector>

#include "llm/bundle/bundle.h"
#include "llm/bundle/tensor_plan.h"

namespace oag {

// A GGUF model, with its vision tower if it was loaded, as transformers names and orders it: experts apart,
// without layers that predict further tokens. `wanted` is the type of all; nothing: as stored, block formats
// as f16.
std::vector<PlannedTensor> plan_folder(const ModelBundle& bundle, std::optional<DType> wanted);

// All tensors of safetensors files under their names; other than floats stay as they are.
std::vector<PlannedTensor> plan_folder_copy(const std::vector<StoredTensor>& tensors,
                                            std::optional<DType> wanted, std::string_view where);

}  // namespace oag
