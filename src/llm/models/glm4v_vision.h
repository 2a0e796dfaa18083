#pragma once

#include "engine/graph/graph.h"
#include "llm/models/tensor_names.h"
#include "llm/models/vision_config.h"
#include "llm/models/weights.h"

namespace oag {

// The vision tower of GLM-4.1V (transformers: Glm4vVisionModel) for one picture or one temporal slice of a
// video, N patches in merge-block order.
//
// Graph inputs: patches [N, patch_values] f32; positions [N, hidden] f32, the learned positions sampled for
// the picture's grid; cos and sin [1, N, head_size / 2] f32. Output: rows [N / merge_size², output_size] f32,
// which stand for the picture among the embeddings of a prompt. Errors: those of Weights.
Graph build_glm4v_vision(const VisionConfig& config, const Weights& weights);

// The tensors of the tower in Hugging Face folders. The kernels of the patches, of all frames in one tensor
// there, are a tensor a frame in GGUF.
extern const NameTable kGlm4vVisionNames;

// The table of learned positions as f32, [table_side², hidden].
std::vector<float> read_position_table(const VisionConfig& config, const Weights& weights);

}  // namespace oag
