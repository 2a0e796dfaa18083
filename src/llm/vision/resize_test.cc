#include "llm/vision/resize.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/compute_pool.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/support/fnv1a.h"

namespace oag {
namespace {

// The same bytes as noise() of tools/goldens/make_image_cases.py.
RgbImage noise(int width, int height, bool binary) {
  RgbImage image{width, height, std::vector<uint8_t>(size_t{3} * width * height)};
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    uint64_t x = i * 0x9E3779B97F4A7C15u;
    x ^= x >> 29;
    x *= 0xBF58476D1CE4E5B9u;
    const auto value = static_cast<uint8_t>(x >> 56);
    image.pixels[i] = binary ? static_cast<uint8_t>((value >> 7) * 255) : value;
  }
  return image;
}

Json stored_cases() {
  return parse_json(read_file(std::filesystem::path(OAG_SOURCE_DIR) / "tests/data/images/resize.json"),
                    "resize.json");
}

TEST(Resize, EqualsPillowByteForByte) {
  const Json cases = stored_cases();
  ASSERT_GE(cases.size(), 20u);
  for (const Json& item : cases) {
    SCOPED_TRACE(item.dump());
    const RgbImage image = noise(item.at("from")[0], item.at("from")[1], item.at("binary"));
    const RgbImage resized = resize_bicubic(image, item.at("to")[0], item.at("to")[1]);
    EXPECT_EQ(resized.width, item.at("to")[0].get<int>());
    EXPECT_EQ(resized.height, item.at("to")[1].get<int>());
    EXPECT_EQ(test::fnv1a(std::as_bytes(std::span(resized.pixels))), item.at("fnv1a").get<std::string>());
  }
}

TEST(Resize, ThreadsChangeNoPixel) {
  ComputePool pool(3);
  const RunControl control;
  const auto on_pool = [&](int64_t count, FunctionRef<void(int64_t)> work) {
    pool.parallel_for(control, count, 1'000'000, [&](int64_t i, int) { work(i); });
  };
  const RgbImage image = noise(301, 203, false);
  EXPECT_EQ(resize_bicubic(image, 112, 308, on_pool).pixels, resize_bicubic(image, 112, 308).pixels);
}

TEST(Resize, ThatChangesNothingGivesTheSamePicture) {
  const RgbImage image = noise(33, 20, false);
  EXPECT_EQ(resize_bicubic(image, 33, 20).pixels, image.pixels);
}

}  // namespace
}  // namespace oag
