#pragma once

#include "base/image.h"
#include "llm/vision/parallel_for.h"

namespace oag {

// Pillow 13's Image.resize((width, height), BICUBIC), byte for byte: cubic convolution with a = -0.5, widened
// by the factor of reduction, weights in 22-bit fixed point, u8 between the two passes. Widths are resized
// first, but heights first where they lose more than twice as many pixels as widths do; Pillow 12 and older
// always resize widths first, which gives other pixels for such sizes (100x150 to 112x140, for one, but for
// no phone screen at the model's own budget). `width` and `height` are at least 1. The work is split over
// rows.
RgbImage resize_bicubic(const RgbImage& image, int width, int height, ParallelFor parallel_for = kOnCaller);

}  // namespace oag
