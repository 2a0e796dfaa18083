#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "llm/vision/image_grid.h"

namespace oag {

// A stretch of a prompt: tokens of text, or the tokens of one picture (one temporal slice of a video).
struct PromptRun {
  int64_t tokens = 0;
  ImageGrid grid;  // of a picture; without rows: text

  bool is_image() const { return grid.rows > 0; }
  bool operator==(const PromptRun&) const = default;
};

// Replaces each image token by as many as its picture takes: the i-th token is the place of grids[i].
// Errors: kInvalidArgument when there are more places than pictures or the reverse.
std::vector<int32_t> expand_image_tokens(std::span<const int32_t> ids, int32_t image_token,
                                         std::span<const ImageGrid> grids, int merge, std::string_view where);

// Cuts an expanded prompt into runs. Pictures take the image tokens in order, one run a temporal slice, also
// where two stand side by side. Errors: kInvalidArgument when tokens and pictures do not match, naming the
// first that does not.
std::vector<PromptRun> split_prompt(std::span<const int32_t> ids, int32_t image_token,
                                    std::span<const ImageGrid> grids, int merge, std::string_view where);

// Positions on three axes (time, height, width) for M-RoPE. Text counts on, equal on all axes. A picture
// stands at one time; its height and width count from there over merged patches, and what follows starts
// behind the longer side.
struct MropePositions {
  std::vector<int32_t> ids;  // [3, tokens], axis by axis
  int32_t next = 0;          // of the token after these, on all axes; then one more for each token
};

// `start` is the position of the first token. transformers' rope_delta is next - start - tokens.
// Errors: kInvalidArgument when positions leave 31 bits.
MropePositions mrope_positions(std::span<const PromptRun> runs, int merge, int32_t start = 0);

}  // namespace oag
