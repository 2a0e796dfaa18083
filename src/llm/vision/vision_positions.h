#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "llm/vision/image_grid.h"
#include "llm/vision/parallel_for.h"

namespace oag {

// Positions in GLM-4.1V's vision tower. Everything is in the order of cut_patches: blocks of merge * merge
// patches, frame after frame. `grid` has rows and columns that are multiples of `merge`; another one is
// refused with kInternal.

// [patches, 2] i32: row and column of each patch.
std::vector<int32_t> patch_positions(const ImageGrid& grid, int merge);

// How the learned table of side * side embeddings is sampled for a grid of another size: bicubic with a =
// -0.75 (torch's grid_sample), pixel centres aligned, taps past the edge taken from the edge.
struct PositionTaps {
  std::vector<int32_t> index;  // [patches, 16] rows of the table, row-major over its sides
  std::vector<float> weight;   // [patches, 16]
};
PositionTaps position_taps(const ImageGrid& grid, int merge, int side);

// The sampled embeddings themselves: `table` [side * side, width] f32 -> `out` [patches, width] f32, sums in
// f32. Errors: kInternal when sizes disagree.
void sample_position_table(std::span<const float> table, int side, int width, const ImageGrid& grid,
                           int merge, std::span<float> out, ParallelFor parallel_for = kOnCaller);

// Cosines and sines for the rotary embedding of queries and keys, both [patches, head_dim / 2] f32: the first
// half of the angles comes from the row, the second from the column; angle k turns the pair (k, k + head_dim
// / 2). `head_dim` is a multiple of 4.
struct VisionRope {
  std::vector<float> cos;
  std::vector<float> sin;
};
VisionRope vision_rope(const ImageGrid& grid, int merge, int head_dim, double theta = 10000.0);

}  // namespace oag
