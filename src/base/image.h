#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace oag {

// A picture: `pixels` [height, width, 3] u8, rows from the top, red, green, blue.
struct RgbImage {
  int width = 0;
  int height = 0;
  std::vector<uint8_t> pixels;
};

// What is refused before pixels are allocated. A decoder holds at most about 16 bytes a pixel beside the
// result.
struct ImageLimits {
  int64_t max_pixels = int64_t{64} << 20;  // width * height
  int max_side = 32768;                    // width, height; at most 32768, which every format can count
  size_t max_bytes = size_t{64} << 20;     // of a file inside a data URI
};

// Decodes a PNG, JPEG, WebP, BMP or PNM (P1 to P6) file, told apart by its first bytes. The pixels are those
// of Pillow's ImageOps.exif_transpose(image).convert("RGB"), which is how transformers loads a picture:
// alpha, tRNS, colour profiles and gamma are dropped; 16-bit samples keep their upper byte, but grey without
// alpha is clipped to 255; CMYK is taken as Adobe writes it (inverted); EXIF (or, where that has none, XMP)
// orientation is applied in every format; of an animation the first frame on its canvas is taken. A JPEG that
// lacks nothing but its end marker is whole; any other file that is cut off is refused. `where` names the
// picture in errors. Errors: kCorruptData (broken or cut off), kUnsupported (another format, a kind of JPEG
// that the library cannot read), kInvalidArgument (larger than `limits`), kOutOfMemory.
RgbImage decode_image(std::span<const std::byte> bytes, std::string_view where,
                      const ImageLimits& limits = {});

// The same picture as it is stored, whatever its orientation says. Errors as above.
RgbImage decode_stored_image(std::span<const std::byte> bytes, std::string_view where,
                             const ImageLimits& limits = {});

// Decodes "data:[type][;parameter…];base64,…" (RFC 2397); the type is not believed. Errors as above, and
// kInvalidArgument when the text is no such URI.
RgbImage decode_data_uri(std::string_view uri, std::string_view where, const ImageLimits& limits = {});

// How many pixels decode_image would make: what the header says, from which alone it is read. Errors: those
// of decode_image that a header can cause.
int64_t image_pixels(std::span<const std::byte> bytes, std::string_view where,
                     const ImageLimits& limits = {});

// The same of a data URI.
int64_t data_uri_pixels(std::string_view uri, std::string_view where, const ImageLimits& limits = {});

// The file inside of such a URI, undecoded. Errors: those of its text.
std::vector<std::byte> data_uri_bytes(std::string_view uri, std::string_view where,
                                      const ImageLimits& limits = {});

// The picture of a file, or of a data URI ("data:…"). Errors as above, those of
// MappedFile::open, and kInvalidArgument for an address (http://…), which is not fetched.
RgbImage read_image(const std::string& source, std::string_view where, const ImageLimits& limits = {});

}  // namespace oag
