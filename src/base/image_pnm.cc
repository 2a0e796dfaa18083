#include <algorithm>
#include <cmath>
#include <string_view>

#include "base/error.h"
#include "base/image_formats.h"

namespace oag {
namespace {

// Portable bitmaps, greymaps and pixmaps, P1 to P6 (netpbm.sourceforge.net/doc/pnm.html): a header in text,
// then samples in text (P1 to P3) or binary.
class PnmDecoder {
 public:
  PnmDecoder(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits)
      : text_(reinterpret_cast<const char*>(bytes.data()), bytes.size()), where_(where) {
    if (text_.size() < 3 || (text_[2] != '#' && !is_space(text_[2])))
      broken("its first word is not P1 to P6");
    kind_ = text_[1] - '0';
    at_ = 2;
    width_ = read_number();
    height_ = read_number();
    if (!bilevel()) most_ = read_number();
    if (most_ < 1 || most_ > 65535) broken("its largest sample must be 1 to 65535");
    if (!plain()) {
      if (at_ == text_.size() || !is_space(text_[at_])) broken("a white space is expected before the pixels");
      ++at_;
    }
    check_image_size(width_, height_, where, limits);
  }

  int64_t pixels() const { return width_ * height_; }

  DecodedImage decode() {
    const size_t samples = static_cast<size_t>(width_ * height_) * channels();
    if (!plain()) check_length();
    DecodedImage decoded{make_image(width_, height_)};
    uint8_t* out = decoded.image.pixels.data();
    const auto width = static_cast<size_t>(width_);
    for (size_t i = 0; i < samples; ++i) {
      const uint8_t sample = plain()      ? read_plain()
                             : kind_ == 4 ? read_bit(i / width, i % width)
                                          : read_binary(i);
      if (channels() == 3) {
        out[i] = sample;
      } else {
        std::fill_n(out + 3 * i, 3, sample);
      }
    }
    return decoded;
  }

 private:
  static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

  [[noreturn]] void broken(std::string_view what) const {
    fail(ErrorCode::kCorruptData, where_, "the PNM is broken: {}", what);
  }
  [[noreturn]] void cut_off() const { fail(ErrorCode::kCorruptData, where_, "the PNM is cut off"); }

  bool plain() const { return kind_ <= 3; }
  bool bilevel() const { return kind_ == 1 || kind_ == 4; }
  size_t channels() const { return kind_ == 3 || kind_ == 6 ? 3 : 1; }
  size_t sample_bytes() const { return most_ > 255 ? 2 : 1; }
  size_t bit_row_bytes() const { return (static_cast<size_t>(width_) + 7) / 8; }

  // Past white space and comments, which run from a # to the end of the line.
  void skip_blank() {
    while (at_ < text_.size() && (is_space(text_[at_]) || text_[at_] == '#')) {
      if (text_[at_] == '#') at_ = std::min(text_.find_first_of("\r\n", at_), text_.size() - 1);
      ++at_;
    }
  }

  int64_t read_number() {
    constexpr int64_t kLimit = int64_t{1} << 31;
    skip_blank();
    if (at_ == text_.size()) cut_off();
    int64_t number = 0;
    const size_t start = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_)
      number = std::min(number * 10 + (text_[at_] - '0'), kLimit);
    if (at_ == start) broken("a number is expected");
    return number;
  }

  void check_length() const {
    const size_t needed = kind_ == 4 ? bit_row_bytes() * static_cast<size_t>(height_)
                                     : static_cast<size_t>(width_ * height_) * channels() * sample_bytes();
    if (text_.size() - at_ < needed) cut_off();
  }

  uint8_t byte(size_t i) const { return static_cast<uint8_t>(text_[at_ + i]); }

  uint8_t read_bit(size_t row, size_t x) const {
    return (byte(row * bit_row_bytes() + x / 8) >> (7 - x % 8) & 1) != 0 ? 0 : 255;
  }

  uint8_t read_binary(size_t i) const {
    return scaled(sample_bytes() == 2 ? byte(2 * i) << 8 | byte(2 * i + 1) : byte(i));
  }

  uint8_t read_plain() {
    if (kind_ != 1) {
      const int64_t sample = read_number();
      if (sample > most_) broken("a sample is larger than the largest");
      return scaled(sample);
    }
    skip_blank();
    if (at_ == text_.size()) cut_off();
    const char bit = text_[at_++];
    if (bit != '0' && bit != '1') broken("a bit is neither 0 nor 1");
    return bit == '1' ? 0 : 255;
  }

  // Pillow holds grey of more than 8 bits as integers up to 65535, and clips them on the way to RGB.
  uint8_t scaled(int64_t sample) const {
    const bool wide_grey = channels() == 1 && most_ > 255;
    const double value = static_cast<double>(sample) / static_cast<double>(most_) * (wide_grey ? 65535 : 255);
    return static_cast<uint8_t>(std::min(std::nearbyint(value), 255.0));
  }

  std::string_view text_, where_;
  size_t at_ = 0;
  int kind_ = 0;  // the digit after P
  int64_t width_ = 0, height_ = 0, most_ = 1;
};

}  // namespace

DecodedImage decode_pnm(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits) {
  return PnmDecoder(bytes, where, limits).decode();
}

int64_t pnm_pixels(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits) {
  return PnmDecoder(bytes, where, limits).pixels();
}

}  // namespace oag
