#pragma once

#include <string_view>

#include "base/image.h"

namespace oag {

// A phone screen of 1080x2400 as no phone shows it, the same everywhere, which `oag doctor` checks pictures
// with. Red grows to the right (x * 255 / 1079, rounded down as all here), green downwards (y * 255 / 2399),
// blue is 255 - (x + y) * 255 / 3478. Over it: 8 colour bars in rows 160 to 399 (bar b: red, green and blue
// are 255 where bit 0, 1 and 2 of b is set); rows 480 to 1599 a page of signs in cells of 24x40, each of 5x8
// dots of 4x4 pixels, 16 on 248, a dot lit where bit 13 of column * 73856093 ^ row * 19349663 ^ (5 * dot row
// + dot column) * 83492791 is set (32 bits); rows 1700 to 2199 and columns 90 to 989 upright stripes, black
// and white, of 1 pixel in the first 100 rows, 2 in the next, up to 5; rows 0 to 71 a dark bar (24, 24, 32),
// rows from 2280 a light one (200, 204, 208).
RgbImage draw_test_screen();

// Checksums (FNV-1a 64) of the picture, and of the rows that GLM-4.1V's tower takes of it with the defaults
// of GlmImageConfig, f32 little-endian: Pillow 13 and transformers 5.23 give them
// (tools/goldens/make_test_screen.py).
inline constexpr std::string_view kTestScreenChecksum = "93c338ecaf88dfeb";
inline constexpr std::string_view kTestScreenRowsChecksum = "014f32dab0790ac1";
inline constexpr int kTestScreenTokens = 3354;  // of 1092x2408 pixels, 78x172 patches, 2x2 a token

}  // namespace oag
