#include "llm/vision/test_screen.h"

#include <gtest/gtest.h>

#include "llm/vision/glm_image_processor.h"
#include "tests/support/fnv1a.h"

namespace oag {
namespace {

TEST(TestScreen, IsThePictureThatTheScriptDraws) {
  const RgbImage image = draw_test_screen();
  EXPECT_EQ(image.width, 1080);
  EXPECT_EQ(image.height, 2400);
  EXPECT_EQ(test::fnv1a(std::as_bytes(std::span(image.pixels))), kTestScreenChecksum);
}

TEST(TestScreen, BecomesTheRowsOfTransformersBitForBit) {
  const GlmImageProcessor processor(GlmImageConfig{});
  const RgbImage image = draw_test_screen();
  const ImageGrid grid = processor.grid_of(image.width, image.height, "screen");
  EXPECT_EQ(grid, (ImageGrid{1, 172, 78}));
  EXPECT_EQ(grid.tokens(2), kTestScreenTokens);
  std::vector<float> rows(static_cast<size_t>(grid.patches() * processor.row_values()));
  processor.process(image, "screen", rows);
  EXPECT_EQ(test::fnv1a(std::as_bytes(std::span(rows))), kTestScreenRowsChecksum);
}

}  // namespace
}  // namespace oag
