#include "llm/vision/test_screen.h"

#include <array>

namespace oag {
namespace {

using Colour = std::array<uint32_t, 3>;

constexpr uint32_t kWidth = 1080, kHeight = 2400;

constexpr Colour grey(uint32_t level) {
  return {level, level, level};
}

Colour sign(uint32_t x, uint32_t y) {
  const uint32_t column = x / 24, row = y / 40, dot_x = x % 24 / 4, dot_y = y % 40 / 4;
  const uint32_t mixed = column * 73856093u ^ row * 19349663u ^ (dot_y * 5 + dot_x) * 83492791u;
  return grey(dot_x < 5 && dot_y < 8 && (mixed >> 13 & 1) == 1 ? 16 : 248);
}

Colour colour_at(uint32_t x, uint32_t y) {
  if (y < 72) return {24, 24, 32};
  if (y >= 2280) return {200, 204, 208};
  if (y >= 160 && y < 400) {
    const uint32_t bar = x * 8 / kWidth;
    return {(bar & 1) * 255, (bar >> 1 & 1) * 255, (bar >> 2 & 1) * 255};
  }
  if (y >= 480 && y < 1600) return sign(x, y - 480);
  if (y >= 1700 && y < 2200 && x >= 90 && x < 990)
    return grey((x / (1 + (y - 1700) / 100) & 1) == 1 ? 255 : 0);
  return {x * 255 / (kWidth - 1), y * 255 / (kHeight - 1), 255 - (x + y) * 255 / (kWidth + kHeight - 2)};
}

}  // namespace

RgbImage draw_test_screen() {
  RgbImage image{kWidth, kHeight, {}};
  image.pixels.reserve(size_t{kWidth} * kHeight * 3);
  for (uint32_t y = 0; y < kHeight; ++y) {
    for (uint32_t x = 0; x < kWidth; ++x)
      for (const uint32_t sample : colour_at(x, y)) image.pixels.push_back(static_cast<uint8_t>(sample));
  }
  return image;
}

}  // namespace oag
