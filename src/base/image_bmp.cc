#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/image_formats.h"

namespace oag {
namespace {

// Windows and OS/2 bitmaps: a file header of 14 bytes, an information header that begins with its own size,
// masks or a palette, and rows from the bottom unless the height is negative.
// https://learn.microsoft.com/windows/win32/gdi/bitmap-storage
class BmpDecoder {
 public:
  BmpDecoder(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits)
      : bytes_(bytes), where_(where) {
    const uint32_t header = read(kFileHeader, 4);
    const bool old = header == 12;  // of OS/2 1
    if (!old && (header < 40 || header > 256)) broken("its header has an unknown size");
    data_at_ = read(10, 4);
    width_ = old ? int64_t{read(18, 2)} : static_cast<int32_t>(read(18, 4));
    height_ = old ? int64_t{read(20, 2)} : static_cast<int32_t>(read(22, 4));
    top_down_ = height_ < 0;
    height_ = top_down_ ? -height_ : height_;
    bits_ = read(old ? 24 : 28, 2);
    compression_ = old ? kRaw : read(30, 4);
    check_image_size(width_, height_, where, limits);
    check_kind();
    const size_t end = kFileHeader + header;
    if (bits_ <= 8) {
      read_palette(old ? 0 : read(46, 4), end, old ? 3 : 4);
    } else {
      choose_masks();
    }
  }

  int64_t pixels() const { return width_ * height_; }

  DecodedImage decode() const {
    DecodedImage decoded{make_image(width_, height_)};
    if (compression_ == kRle8 || compression_ == kRle4) {
      decode_runs(decoded.image);
      return decoded;
    }
    const size_t stride = (static_cast<size_t>(width_) * bits_ + 31) / 32 * 4;
    const size_t last =
        (static_cast<size_t>(width_) * bits_ + 7) / 8;  // padding of the last row may be missing
    if (data_at_ > bytes_.size() ||
        bytes_.size() - data_at_ < stride * static_cast<size_t>(height_ - 1) + last)
      cut_off();
    for (int64_t y = 0; y < height_; ++y) {
      const size_t row = data_at_ + stride * static_cast<size_t>(y);
      uint8_t* out = row_of(decoded.image, y);
      for (int64_t x = 0; x < width_; ++x) put(out + 3 * x, colour_at(row, static_cast<size_t>(x)));
    }
    return decoded;
  }

 private:
  static constexpr size_t kFileHeader = 14;
  static constexpr uint32_t kRaw = 0, kRle8 = 1, kRle4 = 2, kBitFields = 3;

  using Colour = std::array<uint8_t, 3>;

  [[noreturn]] void broken(std::string_view what) const {
    fail(ErrorCode::kCorruptData, where_, "the BMP is broken: {}", what);
  }
  [[noreturn]] void cut_off() const { fail(ErrorCode::kCorruptData, where_, "the BMP is cut off"); }

  uint32_t read(size_t at, size_t size) const {
    if (at > bytes_.size() || bytes_.size() - at < size) cut_off();
    uint32_t value = 0;
    for (size_t i = size; i-- > 0;) value = value << 8 | static_cast<uint32_t>(bytes_[at + i]);
    return value;
  }

  void check_kind() const {
    const bool masked = compression_ == kBitFields && (bits_ == 16 || bits_ == 32);
    const bool runs = (compression_ == kRle8 && bits_ == 8) || (compression_ == kRle4 && bits_ == 4);
    const bool raw = compression_ == kRaw &&
                     (bits_ == 1 || bits_ == 4 || bits_ == 8 || bits_ == 16 || bits_ == 24 || bits_ == 32);
    if (!masked && !runs && !raw)
      fail(ErrorCode::kUnsupported, where_, "this kind of BMP cannot be read: {} bits, compression {}", bits_,
           compression_);
    if (runs && top_down_) broken("runs of pixels start at the top");
  }

  void read_palette(uint32_t count, size_t at, size_t entry) {
    const uint32_t most = 1u << bits_;
    if (count == 0 || count > most) count = most;
    for (uint32_t i = 0; i < count; ++i) {
      const size_t from = at + i * entry;
      if (data_at_ > at && from + entry > data_at_) break;  // the pixels begin where the palette should go on
      const uint32_t colour = read(from, 3);
      palette_[i] = {static_cast<uint8_t>(colour >> 16), static_cast<uint8_t>(colour >> 8),
                     static_cast<uint8_t>(colour)};
    }
  }

  void choose_masks() {
    if (bits_ == 16) masks_ = {0x7C00, 0x03E0, 0x001F};
    if (compression_ != kBitFields) return;
    for (size_t i = 0; i < 3; ++i) masks_[i] = read(54 + 4 * i, 4);
    for (const uint32_t mask : masks_) {
      if (mask == 0 || std::popcount(mask) > 8 || !std::has_single_bit((mask >> std::countr_zero(mask)) + 1))
        broken("a colour's mask is no run of at most 8 bits");
    }
  }

  Colour colour_at(size_t row, size_t x) const {
    if (bits_ <= 8) {
      const size_t bit = x * bits_;
      const auto byte = static_cast<uint32_t>(bytes_[row + bit / 8]);
      return palette_[byte >> (8 - bits_ - bit % 8) & ((1u << bits_) - 1)];
    }
    const uint32_t pixel = read(row + x * bits_ / 8, bits_ / 8);
    Colour colour;
    for (size_t i = 0; i < 3; ++i) {
      const int shift = std::countr_zero(masks_[i]);
      colour[i] = static_cast<uint8_t>(((pixel & masks_[i]) >> shift) * 255 / (masks_[i] >> shift));
    }
    return colour;
  }

  uint8_t* row_of(RgbImage& image, int64_t y) const {
    return image.pixels.data() + 3 * width_ * (top_down_ ? y : height_ - 1 - y);
  }
  static void put(uint8_t* out, const Colour& colour) { std::copy(colour.begin(), colour.end(), out); }

  // A count and a value to repeat; or 0 and: 0 ends the row, 1 the picture, 2 moves on, above 2 that many
  // values follow as they are. What is not reached is of the palette's first colour.
  void decode_runs(RgbImage& image) const {
    for (size_t i = 0; i < image.pixels.size(); i += 3) put(image.pixels.data() + i, palette_[0]);
    int64_t x = 0, y = 0;
    size_t at = data_at_;
    const auto paint = [&](uint32_t index) {
      if (x < width_) put(row_of(image, y) + 3 * x, palette_[index]);
      ++x;
    };
    const bool nibbles = bits_ == 4;
    while (y < height_) {
      const uint32_t count = read(at, 1), value = read(at + 1, 1);
      at += 2;
      if (count > 0) {
        for (uint32_t i = 0; i < count; ++i) paint(!nibbles ? value : i % 2 == 0 ? value >> 4 : value & 15);
      } else if (value == 0) {
        x = 0;
        ++y;
      } else if (value == 1) {
        return;
      } else if (value == 2) {
        x += read(at, 1);
        y += read(at + 1, 1);
        at += 2;
      } else {
        for (uint32_t i = 0; i < value; ++i) {
          const uint32_t byte = read(at + (nibbles ? i / 2 : i), 1);
          paint(!nibbles ? byte : i % 2 == 0 ? byte >> 4 : byte & 15);
        }
        const size_t stored = nibbles ? (value + 1) / 2 : value;
        at += stored + stored % 2;
      }
    }
  }

  std::span<const std::byte> bytes_;
  std::string_view where_;
  size_t data_at_ = 0;
  int64_t width_ = 0, height_ = 0;
  uint32_t bits_ = 0, compression_ = kRaw;
  bool top_down_ = false;
  std::array<Colour, 256> palette_ = {};
  std::array<uint32_t, 3> masks_ = {0xFF0000, 0x00FF00, 0x0000FF};
};

}  // namespace

DecodedImage decode_bmp(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits) {
  return BmpDecoder(bytes, where, limits).decode();
}

int64_t bmp_pixels(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits) {
  return BmpDecoder(bytes, where, limits).pixels();
}

}  // namespace oag
