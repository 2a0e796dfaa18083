#include "base/image.h"

#include <algorithm>
#include <array>
#include <new>
#include <string>
#include <utility>

#include "base/base64.h"
#include "base/error.h"
#include "base/file.h"
#include "base/image_formats.h"

namespace oag {
namespace {

using Decode = DecodedImage (*)(std::span<const std::byte>, std::string_view, const ImageLimits&);
using Measure = int64_t (*)(std::span<const std::byte>, std::string_view, const ImageLimits&);

// First bytes of a format; `at` follows a length field where the format has one.
struct Signature {
  std::string_view name;
  size_t at;
  std::string_view magic;
  Decode decode = nullptr;  // null: known by name only
  Measure measure = nullptr;
};

constexpr std::array kSignatures = {
    Signature{"PNG", 0, std::string_view("\x89PNG\r\n\x1a\n", 8), decode_png, png_pixels},
    Signature{"JPEG", 0, "\xff\xd8\xff", decode_jpeg, jpeg_pixels},
    Signature{"WebP", 8, "WEBP", decode_webp, webp_pixels},  // after "RIFF" and a size
    Signature{"BMP", 0, "BM", decode_bmp, bmp_pixels},
    Signature{"PNM", 0, "P1", decode_pnm, pnm_pixels},
    Signature{"PNM", 0, "P2", decode_pnm, pnm_pixels},
    Signature{"PNM", 0, "P3", decode_pnm, pnm_pixels},
    Signature{"PNM", 0, "P4", decode_pnm, pnm_pixels},
    Signature{"PNM", 0, "P5", decode_pnm, pnm_pixels},
    Signature{"PNM", 0, "P6", decode_pnm, pnm_pixels},
    Signature{"GIF", 0, "GIF8"},
    Signature{"TIFF", 0, std::string_view("II*\0", 4)},
    Signature{"TIFF", 0, std::string_view("MM\0*", 4)},
    Signature{"JPEG XL", 0, "\xff\x0a"},
    Signature{"JPEG XL", 4, "JXL "},
    Signature{"JPEG 2000", 4, "jP  "},
    Signature{"JPEG 2000", 0, "\xff\x4f\xff\x51"},
    Signature{"AVIF", 4, "ftypavif"},
    Signature{"HEIC", 4, "ftyphei"},
    Signature{"HEIF", 4, "ftypmif1"},
    Signature{"PDF", 0, "%PDF"},
    Signature{"SVG, XML or HTML", 0, "<"},
};

// The format of a file. It is one that can be decoded.
const Signature& signature_of(std::span<const std::byte> bytes, std::string_view where) {
  if (bytes.empty())
    fail(ErrorCode::kCorruptData, where, "is empty, a PNG, JPEG, WebP, BMP or PNM file was expected");
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const Signature& signature : kSignatures) {
    if (text.size() < signature.at || !text.substr(signature.at).starts_with(signature.magic)) continue;
    if (signature.decode) return signature;
    fail(ErrorCode::kUnsupported, where, "is a {} file; PNG, JPEG, WebP, BMP and PNM can be read: convert it",
         signature.name);
  }
  std::string start;
  for (const std::byte byte : bytes.first(std::min<size_t>(bytes.size(), 8)))
    start += fmt::format("{:02x}", static_cast<unsigned>(byte));
  fail(ErrorCode::kCorruptData, where, "is no PNG, JPEG, WebP, BMP or PNM file: its {} bytes start with {}",
       bytes.size(), start);
}

[[noreturn]] void fail_for_memory(std::span<const std::byte> bytes, std::string_view where) {
  fail(ErrorCode::kOutOfMemory, where, "there is no memory to decode the picture of {} bytes", bytes.size());
}

}  // namespace

std::vector<std::byte> data_uri_bytes(std::string_view uri, std::string_view where,
                                      const ImageLimits& limits) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  const auto equal = [&](std::string_view text, std::string_view expected) {
    return std::ranges::equal(text, expected, {}, lower);
  };
  constexpr std::string_view kScheme = "data:", kEncoding = ";base64";
  constexpr size_t kMaxType = 256;  // characters before the comma
  const size_t comma = uri.substr(0, kMaxType).find(',');
  if (!equal(uri.substr(0, kScheme.size()), kScheme) || comma == std::string_view::npos)
    fail(ErrorCode::kInvalidArgument, where, "is no data URI: \"data:image/png;base64,…\" was expected");
  const std::string_view type = uri.substr(0, comma);
  if (type.size() < kEncoding.size() || !equal(type.substr(type.size() - kEncoding.size()), kEncoding))
    fail(ErrorCode::kInvalidArgument, where,
         "the data URI is not in base64: \";base64\" was expected before the comma");
  return decode_base64(uri.substr(comma + 1), where, limits.max_bytes);
}

void check_image_size(int64_t width, int64_t height, std::string_view where, const ImageLimits& limits) {
  if (width <= 0 || height <= 0)
    fail(ErrorCode::kCorruptData, where, "its header says {}x{} pixels", width, height);
  const int64_t max_side = std::min(limits.max_side, ImageLimits().max_side);
  if (width > max_side || height > max_side)
    fail(ErrorCode::kInvalidArgument, where, "has {}x{} pixels, a side may have at most {}: make it smaller",
         width, height, max_side);
  if (width * height > limits.max_pixels)
    fail(ErrorCode::kInvalidArgument, where, "has {}x{} = {} pixels, the limit is {}: make it smaller", width,
         height, width * height, limits.max_pixels);
}

RgbImage make_image(int64_t width, int64_t height) {
  return {static_cast<int>(width), static_cast<int>(height),
          std::vector<uint8_t>(static_cast<size_t>(width * height * 3))};
}

RgbImage decode_image(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits) {
  try {
    DecodedImage decoded = signature_of(bytes, where).decode(bytes, where, limits);
    return upright(std::move(decoded.image), decoded.orientation);
  } catch (const std::bad_alloc&) {
    fail_for_memory(bytes, where);
  }
}

RgbImage decode_stored_image(std::span<const std::byte> bytes, std::string_view where,
                             const ImageLimits& limits) {
  try {
    return signature_of(bytes, where).decode(bytes, where, limits).image;
  } catch (const std::bad_alloc&) {
    fail_for_memory(bytes, where);
  }
}

int64_t image_pixels(std::span<const std::byte> bytes, std::string_view where, const ImageLimits& limits) {
  try {
    return signature_of(bytes, where).measure(bytes, where, limits);
  } catch (const std::bad_alloc&) {
    fail_for_memory(bytes, where);
  }
}

RgbImage decode_data_uri(std::string_view uri, std::string_view where, const ImageLimits& limits) {
  return decode_image(data_uri_bytes(uri, where, limits), where, limits);
}

int64_t data_uri_pixels(std::string_view uri, std::string_view where, const ImageLimits& limits) {
  return image_pixels(data_uri_bytes(uri, where, limits), where, limits);
}

RgbImage read_image(const std::string& source, std::string_view where, const ImageLimits& limits) {
  if (source.starts_with("data:")) return decode_data_uri(source, where, limits);
  if (source.find("://") != std::string::npos)
    fail(ErrorCode::kInvalidArgument, where,
         "is an address, which is not fetched; download it and name the file");
  return decode_image(MappedFile::open(source)->bytes(), where, limits);
}

}  // namespace oag
