#pragma once

#include <cstdint>
#include <string_view>

namespace oag {

struct ImageSize {
  int height = 0;
  int width = 0;
  bool operator==(const ImageSize&) const = default;
};

// The budget counts frames * height * width: a still picture is two frames (temporal_patch_size), so it may
// have half of max_pixels.
struct ResizeBudget {
  int factor = 28;  // both sides become multiples of it: patch_size * merge_size
  int frames = 2;
  int64_t min_pixels = 112 * 112;
  int64_t max_pixels = int64_t{28} * 28 * 2 * 6144;
};

// The size that GLM-4.1V's image processor resizes a picture to (transformers, Glm4vImageProcessor:
// smart_resize): sides to the nearest multiples of the factor, half to even, and both scaled by one factor
// where the budget is left. Errors: kInvalidArgument for an empty picture, one side over 200 times the other,
// or a result with a side past 1,000,000 pixels.
ImageSize smart_resize(int height, int width, const ResizeBudget& budget, std::string_view where);

}  // namespace oag
