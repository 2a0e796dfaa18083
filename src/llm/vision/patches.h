#pragma once

#include <array>
#include <span>

#include "base/image.h"
#include "llm/vision/parallel_for.h"

namespace oag {

// (sample / 255 - mean) / std in f32 for each of red, green, blue and each sample.
using PixelTable = std::array<std::array<float, 256>, 3>;
PixelTable make_pixel_table(const std::array<float, 3>& mean, const std::array<float, 3>& std);

// Cuts one temporal slice into `rows` [patches, 3 * frames * patch * patch] f32. A row is indexed
// [colour][frame] [y][x]; rows stand in blocks of merge * merge patches, so that each block is what the
// merger joins: for by, bx, dy, dx the patch (merge * by + dy, merge * bx + dx). All frames have one size,
// sides multiples of patch * merge; a still picture is given as often as the model has frames. Errors:
// kInternal when sizes disagree.
void cut_patches(std::span<const RgbImage* const> frames, int patch, int merge, const PixelTable& table,
                 std::span<float> rows, ParallelFor parallel_for = kOnCaller);

}  // namespace oag
