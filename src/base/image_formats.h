#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/image.h"

namespace oag {

// One decoder a format; each checks its header with check_image_size before it allocates. The result is not
// yet turned to its orientation.
struct DecodedImage {
  RgbImage image;
  int orientation = 1;  // of EXIF: 1 to 8
};
DecodedImage decode_png(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits);
DecodedImage decode_jpeg(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits);
DecodedImage decode_webp(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits);
DecodedImage decode_bmp(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits);
DecodedImage decode_pnm(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits);

// Width times height by the header, which is checked as above.
int64_t png_pixels(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits);
int64_t jpeg_pixels(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits);
int64_t webp_pixels(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits);
int64_t bmp_pixels(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits);
int64_t pnm_pixels(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits);

// Refuses an empty picture (kCorruptData) and one past the limits (kInvalidArgument).
void check_image_size(int64_t width, int64_t height, std::string_view where, const ImageLimits& limits);

// The picture's memory, not yet filled, for a size that was checked.
RgbImage make_image(int64_t width, int64_t height);

// Orientation (1 to 8) from a TIFF header with its first directory, or 0 where it has none or is broken: a
// picture is not refused for it. An "Exif\0\0" before the header is skipped. (EXIF 2.32, section 4.6.)
int exif_orientation(std::span<const std::byte> exif);

// The same from an XMP document: tiff:Orientation as attribute or element.
int xmp_orientation(std::string_view xmp);

// Turns and mirrors so that the picture stands as its orientation says.
RgbImage upright(RgbImage image, int orientation);

}  // namespace oag
