#include "base/image.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace oag {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(OAG_SOURCE_DIR) / "tests/data/images";

RgbImage decode(std::string_view bytes, const ImageLimits& limits = {}) {
  return decode_image(std::as_bytes(std::span(bytes)), "picture", limits);
}

// The line of the refusal with its code's name in front, or "accepted".
std::string refusal(std::string_view bytes, const ImageLimits& limits = {}) {
  try {
    decode(bytes, limits);
  } catch (const Error& error) {
    return std::string(error_code_name(error.code())) + ": " + error.what();
  }
  return "accepted";
}

struct Case {
  std::string file;
  std::string bytes;
  RgbImage expected;
};

std::vector<Case> stored_cases() {
  const std::string pixels = read_file(kFolder / "pixels.bin");
  std::vector<Case> cases;
  for (const Json& item : parse_json(read_file(kFolder / "cases.json"), "cases.json")) {
    Case& entry = cases.emplace_back();
    entry.file = item.at("file");
    entry.bytes = read_file(kFolder / entry.file);
    entry.expected.width = item.at("width");
    entry.expected.height = item.at("height");
    const std::string_view rgb = std::string_view(pixels).substr(
        item.at("at"), size_t{3} * entry.expected.width * entry.expected.height);
    entry.expected.pixels.assign(rgb.begin(), rgb.end());
  }
  return cases;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    unsigned bits = 0;
    for (size_t j = 0; j < 3; ++j)
      bits = bits << 8 | (i + j < bytes.size() ? static_cast<uint8_t>(bytes[i + j]) : 0);
    for (size_t j = 0; j < 4; ++j) text += i + j > bytes.size() ? '=' : kDigits[bits >> (18 - 6 * j) & 63];
  }
  return text;
}

TEST(Image, EveryKindOfFileGivesThePixelsOfPillow) {
  const std::vector<Case> cases = stored_cases();
  EXPECT_GE(cases.size(), 70u);
  for (const Case& entry : cases) {
    SCOPED_TRACE(entry.file);
    const RgbImage image = decode(entry.bytes);
    ASSERT_EQ(image.width, entry.expected.width);
    ASSERT_EQ(image.height, entry.expected.height);
    const auto [ours, theirs] = std::ranges::mismatch(image.pixels, entry.expected.pixels);
    if (ours != image.pixels.end())
      ADD_FAILURE() << "byte " << ours - image.pixels.begin() << " is " << int{*ours} << ", Pillow has "
                    << int{*theirs};
  }
}

TEST(Image, AFileCutOffAnywhereIsRefusedOrGivesTheWholePicture) {
  for (const Case& entry : stored_cases()) {
    SCOPED_TRACE(entry.file);
    int refused = 0;
    for (size_t size = 0; size < entry.bytes.size(); size += entry.bytes.size() - size > 80 ? 7 : 1) {
      try {
        const RgbImage image = decode(std::string_view(entry.bytes).substr(0, size));
        ASSERT_EQ(image.pixels, entry.expected.pixels) << size << " of " << entry.bytes.size() << " bytes";
      } catch (const Error& error) {
        ++refused;
        ASSERT_EQ(error.code(), ErrorCode::kCorruptData) << error.what();
        ASSERT_EQ(error.message().find('\n'), std::string::npos) << error.what();
      }
    }
    EXPECT_GT(refused, 30);
  }
}

TEST(Image, DamageGivesAPictureOfTheSameSizeOrOneLine) {
  for (const Case& entry : stored_cases()) {
    SCOPED_TRACE(entry.file);
    for (size_t at = 0; at < entry.bytes.size(); at += 3) {
      std::string damaged = entry.bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 8));
      // Damage to a header's size may ask for a large picture; it is refused before memory is taken.
      const std::string answer = refusal(damaged, {.max_pixels = 4096});
      ASSERT_EQ(answer.find('\n'), std::string::npos) << answer;
    }
  }
}

TEST(Image, PixelsAreCountedFromTheHeaderAlone) {
  for (const Case& entry : stored_cases()) {
    SCOPED_TRACE(entry.file);
    const int64_t expected = int64_t{entry.expected.width} * entry.expected.height;
    const auto bytes = std::as_bytes(std::span(entry.bytes));
    EXPECT_EQ(image_pixels(bytes, "picture"), expected);
    EXPECT_EQ(data_uri_pixels("data:image/png;base64," + base64(entry.bytes), "picture"), expected);
    EXPECT_THROW(image_pixels(bytes, "picture", {.max_pixels = expected - 1}), Error);
  }
  const std::string png = read_file(kFolder / "png_c2_d8.png");
  EXPECT_EQ(image_pixels(std::as_bytes(std::span(png)).first(80), "cut off behind its header"), 19 * 13);
  EXPECT_THROW(image_pixels({}, "empty"), Error);
}

TEST(Image, TooLargeAPictureIsRefusedFromItsHeader) {
  const std::string png = read_file(kFolder / "png_c2_d8.png");
  const std::string jpeg = read_file(kFolder / "jpeg_420.jpg");
  const std::string webp = read_file(kFolder / "webp_lossy.webp");
  for (const std::string& bytes : {png, jpeg, webp}) {
    EXPECT_EQ(refusal(bytes, {.max_pixels = 19 * 13}), "accepted");
    EXPECT_EQ(refusal(bytes, {.max_pixels = 19 * 13 - 1}),
              "invalid argument: picture: has 19x13 = 247 pixels, the limit is 246: make it smaller");
    EXPECT_EQ(refusal(bytes, {.max_side = 19}), "accepted");
    EXPECT_EQ(refusal(bytes, {.max_side = 18}),
              "invalid argument: picture: has 19x13 pixels, a side may have at most 18: make it smaller");
  }
  // The header alone is enough: 60,000 x 60,000 pixels, and no data. Its checksum is right.
  const std::string huge(
      "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\xea\x60\0\0\xea\x60\x08\x02\0\0\0\x0f\xb0\xe2\x15", 33);
  EXPECT_EQ(
      refusal(huge + png.substr(33)),
      "invalid argument: picture: has 60000x60000 pixels, a side may have at most 32768: make it smaller");
}

TEST(Image, AJpegOfVeryManyScansIsRefused) {
  // One scan for each component, each of one empty block, and the first of them again and again.
  const std::string whole = read_file(kFolder / "jpeg_1x1.jpg");
  const std::string headers = whole.substr(0, whole.find("\xff\xda"));
  const auto scan = [](char component) {
    return std::string("\xff\xda\x00\x08\x01", 5) + component + std::string("\x00\x00\x3f\x00\x2b", 5);
  };
  const std::string last = scan(2) + scan(3) + "\xff\xd9";
  std::string scans = scan(1);
  EXPECT_EQ(decode(headers + scans + last).pixels, (std::vector<uint8_t>{128, 128, 128}));
  for (int i = 0; i < 70; ++i) scans += scan(1);
  EXPECT_EQ(refusal(headers + scans + last),
            "unsupported: picture: the JPEG has more than 64 scans: save it anew");
  EXPECT_EQ(refusal(headers + scan(1)), "corrupt data: picture: the JPEG is cut off");
}

TEST(Image, OtherFormatsAreNamed) {
  EXPECT_EQ(refusal("GIF89a..."),
            "unsupported: picture: is a GIF file; PNG, JPEG, WebP, BMP and PNM can be read: convert it");
  EXPECT_EQ(refusal(std::string("\0\0\0\x1c"
                                "ftypheic",
                                12)),
            "unsupported: picture: is a HEIC file; PNG, JPEG, WebP, BMP and PNM can be read: convert it");
  EXPECT_EQ(refusal(""), "corrupt data: picture: is empty, a PNG, JPEG, WebP, BMP or PNM file was expected");
  EXPECT_EQ(
      refusal("hello"),
      "corrupt data: picture: is no PNG, JPEG, WebP, BMP or PNM file: its 5 bytes start with 68656c6c6f");
}

TEST(Image, AnAnswerOfAWebServerIsNamedAsSuch) {
  EXPECT_EQ(refusal("<html>404</html>"),
            "unsupported: picture: is a SVG, XML or HTML file; PNG, JPEG, WebP, BMP and PNM can be read: "
            "convert it");
}

TEST(Image, ADataUriIsDecodedWhateverItsLabelSays) {
  const std::string png = read_file(kFolder / "png_c6_d8.png");
  const RgbImage expected = decode(png);
  for (const char* label : {"data:image/png;base64,", "data:image/jpeg;base64,", "data:;base64,",
                            "DATA:text/plain;charset=utf-8;BASE64,"})
    EXPECT_EQ(decode_data_uri(label + base64(png), "picture").pixels, expected.pixels) << label;
}

TEST(Image, ABadDataUriIsRefused) {
  const auto line = [](std::string_view uri, const ImageLimits& limits = {}) -> std::string {
    try {
      decode_data_uri(uri, "picture", limits);
    } catch (const Error& error) {
      return error.message();
    }
    return "accepted";
  };
  EXPECT_EQ(line("http://host/a.png"), "is no data URI: \"data:image/png;base64,…\" was expected");
  EXPECT_EQ(line("data:image/png;base64"), "is no data URI: \"data:image/png;base64,…\" was expected");
  EXPECT_EQ(line("data:image/png,abcd"),
            "the data URI is not in base64: \";base64\" was expected before the comma");
  EXPECT_EQ(line("data:image/png;base64,"), "is empty, a PNG, JPEG, WebP, BMP or PNM file was expected");
  EXPECT_EQ(line("data:image/png;base64,iVBO", {.max_bytes = 2}),
            "base64 text holds 3 bytes, the limit is 2");
}

}  // namespace
}  // namespace oag
