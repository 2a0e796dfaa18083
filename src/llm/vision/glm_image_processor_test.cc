#include "llm/vision/glm_image_processor.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "tests/npy.h"
#include "tests/support/fnv1a.h"

namespace oag {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(OAG_SOURCE_DIR) / "tests/data/vision";

std::string refusal(std::string_view json) {
  try {
    parse_glm_image_config(parse_json(json, "file"), "file");
  } catch (const Error& error) {
    return std::string(error_code_name(error.code())) + ": " + error.message();
  }
  return "accepted";
}

TEST(GlmImageProcessor, TwoFramesOfAVideoMakeOneSlice) {
  const Json cases = parse_json(read_file(kFolder / "cases.json"), "cases.json");
  const auto stored = test::load_npy<uint8_t>(kFolder / "video.frames.npy");
  ASSERT_EQ(stored.shape, (std::vector<int64_t>{2, 84, 84, 3}));
  const auto middle = stored.values.begin() + 84 * 84 * 3;
  const RgbImage first{84, 84, {stored.values.begin(), middle}};
  const RgbImage second{84, 84, {middle, stored.values.end()}};
  const GlmImageConfig config;
  const RgbImage* frames[] = {&first, &second};
  std::vector<float> rows(36 * 1176);
  cut_patches(frames, 14, 2, make_pixel_table(config.mean, config.std), rows);
  EXPECT_EQ(test::fnv1a(std::as_bytes(std::span(rows))),
            cases.at("video").at("slice_fnv1a").get<std::string>());
}

TEST(GlmImageProcessor, PhoneScreensTakeTheTokensOfTheReference) {
  const GlmImageProcessor processor{GlmImageConfig()};
  EXPECT_EQ(processor.row_values(), 1176);
  const auto grid = [&](int width, int height) { return processor.grid_of(width, height, "screen"); };
  EXPECT_EQ(grid(1080, 2400), (ImageGrid{1, 172, 78}));
  EXPECT_EQ(grid(1080, 2400).tokens(2), 3354);
  EXPECT_EQ(grid(1080, 1920).tokens(2), 2691);
  EXPECT_EQ(grid(720, 1280).tokens(2), 1196);
  EXPECT_EQ(grid(1440, 3200).tokens(2), 5814);
}

TEST(GlmImageProcessor, MaxPixelsReplacesTheBudgetAndIsOffByDefault) {
  const GlmImageProcessor processor(GlmImageConfig(), {.max_pixels = 5'000'000});
  EXPECT_EQ(processor.grid_of(1080, 2400, "screen").tokens(2), 3108);
  const GlmImageProcessor larger(GlmImageConfig(), {.max_pixels = 20'000'000});
  EXPECT_EQ(larger.grid_of(4096, 4096, "screen"), (ImageGrid{1, 224, 224}));
  EXPECT_THROW(GlmImageProcessor(GlmImageConfig(), {.max_pixels = 100}), Error);
}

TEST(GlmImageConfig, ReadsTheFileOfACheckpoint) {
  const GlmImageConfig config =
      parse_glm_image_config(parse_json(R"({"size": {"shortest_edge": 12544, "longest_edge": 50176},
      "do_rescale": true, "patch_size": 16, "temporal_patch_size": 1, "merge_size": 4, "image_mean": [0.5, 0.25, 0.125],
      "image_std": [1, 2, 4], "image_processor_type": "Glm4vImageProcessor", "rescale_factor": 0.00392156862745098})",
                                        "file"),
                             "file");
  EXPECT_EQ(config.min_pixels, 12544);
  EXPECT_EQ(config.max_pixels, 50176);
  EXPECT_EQ(config.patch_size, 16);
  EXPECT_EQ(config.temporal_patch_size, 1);
  EXPECT_EQ(config.merge_size, 4);
  EXPECT_EQ(config.mean, (std::array<float, 3>{0.5f, 0.25f, 0.125f}));
  EXPECT_EQ(config.std, (std::array<float, 3>{1.0f, 2.0f, 4.0f}));
}

TEST(GlmImageConfig, ReadsOlderAndNewerLayouts) {
  const auto max_pixels = [](std::string_view json) {
    return parse_glm_image_config(parse_json(json, "file"), "file").max_pixels;
  };
  EXPECT_EQ(max_pixels("{}"), 9633792);
  EXPECT_EQ(max_pixels(R"({"min_pixels": 3136, "max_pixels": 50000})"), 50000);
  EXPECT_EQ(max_pixels(R"({"image_processor": {"size": {"longest_edge": 60000}}})"), 60000);
}

TEST(GlmImageConfig, RefusesWhatItCannotMean) {
  EXPECT_EQ(refusal("[]"), "corrupt data: is no JSON object with the keys of an image processor");
  EXPECT_EQ(refusal(R"({"patch_size": 0})"), "corrupt data: patch_size is 0, expected 1 to 256");
  EXPECT_EQ(refusal(R"({"patch_size": 14.5})"), "corrupt data: patch_size is 14.5, expected an integer");
  EXPECT_EQ(refusal(R"({"patch_size": 18446744073709551615})"),
            "corrupt data: patch_size is 18446744073709551615, expected an integer");
  EXPECT_EQ(refusal(R"({"size": 224})"), "corrupt data: size is 224, expected an object");
  EXPECT_EQ(refusal(R"({"size": {"shortest_edge": 9, "longest_edge": 8}})"),
            "corrupt data: the least number of pixels, 9, is larger than the largest, 8");
  EXPECT_EQ(refusal(R"({"image_mean": [1, 2]})"),
            "corrupt data: image_mean is [1,2], expected three numbers");
  EXPECT_EQ(refusal(R"({"image_std": [1, 0, 1]})"),
            "corrupt data: image_mean 0.4578275 and image_std 0 normalise nothing");
  EXPECT_EQ(refusal(R"({"image_processor_type": "Qwen2VLImageProcessor"})"),
            "unsupported: image_processor_type is \"Qwen2VLImageProcessor\"; Glm4vImageProcessor is known");
  EXPECT_EQ(refusal(R"({"do_resize": false})"),
            "unsupported: do_resize is false; only true is known for this model");
  EXPECT_EQ(refusal(R"({"resample": 2})"), "unsupported: resample is 2; 3 (bicubic) is known");
  EXPECT_EQ(refusal(R"({"rescale_factor": 0.5})"), "unsupported: rescale_factor is 0.5; 1/255 is known");
}

TEST(GlmImageConfig, TakesTheValuesOfAnMmproj) {
  const GlmImageConfig config = glm_image_config({16, 4, {0.5f, 0.5f, 0.5f}, {0.25f, 0.5f, 1.0f}}, "file");
  EXPECT_EQ(config.patch_size, 16);
  EXPECT_EQ(config.merge_size, 4);
  EXPECT_EQ(config.std[0], 0.25f);
  EXPECT_EQ(glm_image_config({}, "file").max_pixels, 9633792);
  EXPECT_EQ(glm_image_config({.max_pixels = 50'000}, "file").max_pixels, 100'000);  // of two frames
  EXPECT_THROW(glm_image_config({.max_pixels = INT64_MAX}, "file"), Error);
  EXPECT_THROW(glm_image_config({.image_mean = {1.0f}}, "file"), Error);
  EXPECT_THROW(glm_image_config({.patch_size = -1}, "file"), Error);
  EXPECT_THROW(glm_image_config({.image_std = {1.0f, -1.0f, 1.0f}}, "file"), Error);
}

}  // namespace
}  // namespace oag
