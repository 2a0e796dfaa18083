#include "llm/vision/patches.h"

#include <algorithm>

#include "base/error.h"

namespace oag {
namespace {

// One row of the result: the patch whose first pixel is (x0, y0). Returns the end of what was written.
float* write_patch(std::span<const RgbImage* const> frames, int x0, int y0, int patch,
                   const PixelTable& table, float* out) {
  for (size_t colour = 0; colour < 3; ++colour) {
    const RgbImage* previous = nullptr;
    for (const RgbImage* frame : frames) {
      const int64_t size = int64_t{patch} * patch;
      if (frame == previous) {
        out = std::copy_n(out - size, size, out);
        continue;
      }
      for (int y = 0; y < patch; ++y) {
        const uint8_t* sample =
            frame->pixels.data() + (size_t{3} * frame->width * (y0 + y) + size_t{3} * x0 + colour);
        for (int x = 0; x < patch; ++x, sample += 3) *out++ = table[colour][*sample];
      }
      previous = frame;
    }
  }
  return out;
}

}  // namespace

PixelTable make_pixel_table(const std::array<float, 3>& mean, const std::array<float, 3>& std) {
  PixelTable table;
  for (size_t colour = 0; colour < 3; ++colour)
    for (size_t sample = 0; sample < 256; ++sample)
      table[colour][sample] = (static_cast<float>(sample) / 255.0f - mean[colour]) / std[colour];
  return table;
}

void cut_patches(std::span<const RgbImage* const> frames, int patch, int merge, const PixelTable& table,
                 std::span<float> rows, ParallelFor parallel_for) {
  if (frames.empty()) fail(ErrorCode::kInternal, "patches", "no frame was given");
  const RgbImage& first = *frames.front();
  const int block = patch * merge;
  for (const RgbImage* frame : frames)
    if (frame->width != first.width || frame->height != first.height)
      fail(ErrorCode::kInternal, "patches", "frames of {}x{} and {}x{} pixels make no slice", first.width,
           first.height, frame->width, frame->height);
  if (first.width % block != 0 || first.height % block != 0)
    fail(ErrorCode::kInternal, "patches", "{}x{} pixels are no multiple of {}", first.width, first.height,
         block);
  const size_t values = size_t{3} * frames.size() * first.width * first.height;
  if (rows.size() != values)
    fail(ErrorCode::kInternal, "patches", "room for {} values was given, {} are needed", rows.size(), values);

  const int64_t band_values = int64_t{3} * static_cast<int64_t>(frames.size()) * first.width * block;
  parallel_for(first.height / block, [&](int64_t band) {
    float* out = rows.data() + band * band_values;
    for (int x = 0; x < first.width; x += block)
      for (int dy = 0; dy < merge; ++dy)
        for (int dx = 0; dx < merge; ++dx)
          out = write_patch(frames, x + dx * patch, static_cast<int>(band) * block + dy * patch, patch, table,
                            out);
  });
}

}  // namespace oag
