#include <optional>
#include <utility>

#include "base/image_formats.h"

namespace oag {
namespace {

constexpr uint16_t kOrientationTag = 0x0112;
constexpr uint16_t kByte = 1, kShort = 3, kLong = 4;  // types of a directory entry

// Reads integers of either byte order, or nothing past the end.
class TiffReader {
 public:
  TiffReader(std::span<const std::byte> bytes, bool big_endian) : bytes_(bytes), big_endian_(big_endian) {}

  std::optional<uint32_t> read(size_t offset, size_t size) const {
    if (offset > bytes_.size() || bytes_.size() - offset < size) return std::nullopt;
    uint32_t value = 0;
    for (size_t i = 0; i < size; ++i)
      value = value << 8 | static_cast<uint32_t>(bytes_[offset + (big_endian_ ? i : size - 1 - i)]);
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  bool big_endian_;
};

bool starts_with(std::span<const std::byte> bytes, std::string_view text) {
  return bytes.size() >= text.size() &&
         std::string_view(reinterpret_cast<const char*>(bytes.data()), text.size()) == text;
}

int checked(uint32_t orientation) {
  return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 0;
}

}  // namespace

int exif_orientation(std::span<const std::byte> exif) {
  constexpr std::string_view kPrefix("Exif\0\0", 6);
  if (starts_with(exif, kPrefix)) exif = exif.subspan(kPrefix.size());
  const bool big_endian = starts_with(exif, std::string_view("MM\0*", 4));
  if (!big_endian && !starts_with(exif, std::string_view("II*\0", 4))) return 0;
  const TiffReader reader(exif, big_endian);
  const uint32_t directory = reader.read(4, 4).value_or(0);
  const uint32_t count = reader.read(directory, 2).value_or(0);
  for (uint32_t i = 0; i < count; ++i) {
    const size_t entry = size_t{directory} + 2 + size_t{12} * i;
    const auto tag = reader.read(entry, 2);
    if (!tag) return 0;
    if (*tag != kOrientationTag) continue;
    const uint32_t type = reader.read(entry + 2, 2).value_or(0);
    const size_t size = type == kByte ? 1 : type == kShort ? 2 : type == kLong ? 4 : 0;
    if (size == 0 || reader.read(entry + 4, 4) != 1u) return 0;
    return checked(reader.read(entry + 8, size).value_or(0));
  }
  return 0;
}

int xmp_orientation(std::string_view xmp) {
  constexpr std::string_view kName = "tiff:Orientation";
  for (size_t at = xmp.find(kName); at != std::string_view::npos; at = xmp.find(kName, at + kName.size())) {
    std::string_view rest = xmp.substr(at + kName.size());
    if (rest.starts_with("=\"")) {
      rest.remove_prefix(2);
    } else if (rest.starts_with('>')) {
      rest.remove_prefix(1);
    } else {
      continue;
    }
    if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9')
      return checked(static_cast<uint32_t>(rest[0] - '0'));
  }
  return 0;
}

RgbImage upright(RgbImage image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const bool swaps_axes = orientation >= 5;
  const int width = swaps_axes ? image.height : image.width;
  const int height = swaps_axes ? image.width : image.height;
  // Which ends of the stored picture the upright one starts from.
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  RgbImage turned = make_image(width, height);
  uint8_t* out = turned.pixels.data();
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const int across = swaps_axes ? y : x;
      const int down = swaps_axes ? x : y;
      const int column = from_right ? image.width - 1 - across : across;
      const int row = from_bottom ? image.height - 1 - down : down;
      const uint8_t* pixel = image.pixels.data() + (size_t{3} * row * image.width + size_t{3} * column);
      for (int c = 0; c < 3; ++c) *out++ = pixel[c];
    }
  }
  return turned;
}

}  // namespace oag
