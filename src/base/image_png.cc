#include <spng.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/image_formats.h"

namespace oag {
namespace {

constexpr size_t kMaxChunkBytes = size_t{16} << 20;  // of metadata; unpacked profiles and texts included

using Context = std::unique_ptr<spng_ctx, decltype(&spng_ctx_free)>;

class PngDecoder {
 public:
  PngDecoder(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits)
      : where_(where), context_(spng_ctx_new(0), &spng_ctx_free) {
    if (!context_) fail(ErrorCode::kOutOfMemory, where, "there is no memory to decode a PNG");
    check(spng_set_image_limits(context_.get(), kMaxSide, kMaxSide));
    check(spng_set_chunk_limits(context_.get(), kMaxChunkBytes, kMaxChunkBytes));
    check(spng_set_png_buffer(context_.get(), bytes.data(), bytes.size()));
    read_header();
    check_image_size(header_.width, header_.height, where, limits);
  }

  int64_t pixels() const { return int64_t{header_.width} * header_.height; }

  DecodedImage decode() {
    read_palette();
    DecodedImage decoded{make_image(header_.width, header_.height)};
    // Rows keep the file's own samples, packed as in the file, 16-bit ones in the machine's byte order.
    const size_t row_bytes = (size_t{header_.width} * bits_per_pixel() + 7) / 8;
    if (header_.interlace_method == SPNG_INTERLACE_NONE) {
      std::vector<uint8_t> row(row_bytes);
      check(spng_decode_image(context_.get(), nullptr, 0, SPNG_FMT_PNG, SPNG_DECODE_PROGRESSIVE));
      for (uint32_t y = 0; y < header_.height; ++y) {
        const int status = spng_decode_row(context_.get(), row.data(), row_bytes);
        if (status != SPNG_EOI || y + 1 != header_.height) check(status);  // the last row says "end of image"
        convert_row(row.data(), row_of(decoded.image, y));
      }
    } else {
      std::vector<uint8_t> rows(row_bytes * header_.height);
      check(spng_decode_image(context_.get(), rows.data(), rows.size(), SPNG_FMT_PNG, 0));
      for (uint32_t y = 0; y < header_.height; ++y)
        convert_row(rows.data() + row_bytes * y, row_of(decoded.image, y));
    }
    decoded.orientation = read_orientation();
    return decoded;
  }

 private:
  static constexpr uint32_t kMaxSide =
      0x7FFFFFFF;  // the format's; check_image_size applies ours, with its own message

  void read_header() {
    const int status = spng_get_ihdr(context_.get(), &header_);
    if (status == SPNG_EOVERFLOW || status == SPNG_EUSER_WIDTH || status == SPNG_EUSER_HEIGHT) {
      fail(ErrorCode::kInvalidArgument, where_,
           "is too large, a side may have at most {} pixels: make it smaller", ImageLimits().max_side);
    }
    check(status);
  }

  void check(int status) const {
    if (status == SPNG_OK) return;
    if (status == SPNG_EMEM) fail(ErrorCode::kOutOfMemory, where_, "there is no memory to decode the PNG");
    const bool cut_off = status == SPNG_IO_EOF;
    fail(ErrorCode::kCorruptData, where_, "the PNG is {}: {}", cut_off ? "cut off" : "broken",
         spng_strerror(status));
  }

  size_t bits_per_pixel() const {
    switch (header_.color_type) {
      case SPNG_COLOR_TYPE_TRUECOLOR: return size_t{3} * header_.bit_depth;
      case SPNG_COLOR_TYPE_GRAYSCALE_ALPHA: return size_t{2} * header_.bit_depth;
      case SPNG_COLOR_TYPE_TRUECOLOR_ALPHA: return size_t{4} * header_.bit_depth;
      default: return header_.bit_depth;
    }
  }

  static uint8_t* row_of(RgbImage& image, uint32_t y) {
    return image.pixels.data() + size_t{3} * image.width * y;
  }

  // The colour of each sample of at most 8 bits: of the palette (black past its end), or grey spread over
  // 0..255.
  void read_palette() {
    std::fill(std::begin(palette_), std::end(palette_), Colour{});
    if (header_.color_type == SPNG_COLOR_TYPE_INDEXED) {
      spng_plte entries;
      check(spng_get_plte(context_.get(), &entries));
      for (uint32_t i = 0; i < std::min<uint32_t>(entries.n_entries, 256); ++i)
        palette_[i] = {entries.entries[i].red, entries.entries[i].green, entries.entries[i].blue};
    } else if (header_.bit_depth <= 8) {
      const int levels = 1 << header_.bit_depth;
      for (int i = 0; i < levels; ++i) {
        const auto grey = static_cast<uint8_t>(i * 255 / (levels - 1));
        palette_[i] = {grey, grey, grey};
      }
    }
  }

  void convert_row(const uint8_t* row, uint8_t* out) const {
    const size_t width = header_.width;
    const bool wide = header_.bit_depth == 16;
    switch (header_.color_type) {
      case SPNG_COLOR_TYPE_TRUECOLOR: wide ? copy_wide<3>(row, out, width) : copy<3>(row, out, width); return;
      case SPNG_COLOR_TYPE_TRUECOLOR_ALPHA:
        wide ? copy_wide<4>(row, out, width) : copy<4>(row, out, width);
        return;
      case SPNG_COLOR_TYPE_GRAYSCALE_ALPHA:
        wide ? copy_wide<2>(row, out, width) : copy<2>(row, out, width);
        return;
      default: wide ? clip_grey(row, out, width) : look_up(row, out, width); return;
    }
  }

  template <size_t kChannels>
  static void copy(const uint8_t* row, uint8_t* out, size_t width) {
    for (size_t x = 0; x < width; ++x)
      for (size_t c = 0; c < 3; ++c) out[3 * x + c] = row[kChannels * x + (kChannels >= 3 ? c : 0)];
  }

  template <size_t kChannels>
  static void copy_wide(const uint8_t* row, uint8_t* out, size_t width) {
    for (size_t x = 0; x < width; ++x)
      for (size_t c = 0; c < 3; ++c)
        out[3 * x + c] = static_cast<uint8_t>(sample16(row, kChannels * x + (kChannels >= 3 ? c : 0)) >> 8);
  }

  // Pillow keeps such a picture as 16-bit integers, and its conversion to RGB clips them.
  static void clip_grey(const uint8_t* row, uint8_t* out, size_t width) {
    for (size_t x = 0; x < width; ++x)
      std::fill_n(out + 3 * x, 3, static_cast<uint8_t>(std::min<unsigned>(sample16(row, x), 255)));
  }

  void look_up(const uint8_t* row, uint8_t* out, size_t width) const {
    const size_t depth = header_.bit_depth;
    for (size_t x = 0; x < width; ++x) {
      const size_t bit = x * depth;
      const Colour& colour = palette_[row[bit / 8] >> (8 - depth - bit % 8) & ((1u << depth) - 1)];
      out[3 * x] = colour.red;
      out[3 * x + 1] = colour.green;
      out[3 * x + 2] = colour.blue;
    }
  }

  static uint16_t sample16(const uint8_t* row, size_t i) {
    uint16_t sample;
    std::memcpy(&sample, row + 2 * i, sizeof sample);
    return sample;
  }

  // An eXIf chunk may stand behind the pixels, so a file without its end chunk may lack its orientation.
  int read_orientation() {
    check(spng_decode_chunks(context_.get()));
    spng_exif exif;
    if (spng_get_exif(context_.get(), &exif) == SPNG_OK) {
      const int orientation = exif_orientation(std::as_bytes(std::span(exif.data, exif.length)));
      if (orientation != 0) return orientation;
    }
    return xmp_text_orientation();
  }

  int xmp_text_orientation() {
    uint32_t count = 0;
    if (spng_get_text(context_.get(), nullptr, &count) != SPNG_OK) return 1;
    std::vector<spng_text> texts(count);
    if (spng_get_text(context_.get(), texts.data(), &count) != SPNG_OK) return 1;
    for (const spng_text& text : texts) {
      if (std::string_view(text.keyword) != "XML:com.adobe.xmp") continue;
      const int orientation = xmp_orientation({text.text, text.length});
      if (orientation != 0) return orientation;
    }
    return 1;
  }

  struct Colour {
    uint8_t red = 0, green = 0, blue = 0;
  };

  std::string_view where_;
  Context context_;
  spng_ihdr header_ = {};
  Colour palette_[256];
};

}  // namespace

DecodedImage decode_png(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits) {
  return PngDecoder(bytes, where, limits).decode();
}

int64_t png_pixels(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits) {
  return PngDecoder(bytes, where, limits).pixels();
}

}  // namespace oag
