#include "llm/vision/smart_resize.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "tests/npy.h"

namespace oag {
namespace {

ImageSize resized(int height, int width, int64_t max_pixels = ResizeBudget().max_pixels) {
  ResizeBudget budget;
  budget.max_pixels = max_pixels;
  return smart_resize(height, width, budget, "picture");
}

TEST(SmartResize, EqualsTransformers) {
  const auto table =
      test::load_npy<int64_t>(std::filesystem::path(OAG_SOURCE_DIR) / "tests/data/vision/smart_resize.npy");
  ASSERT_EQ(table.shape, (std::vector<int64_t>{39, 5}));
  for (size_t row = 0; row < 39; ++row) {
    const int64_t* value = table.values.data() + 5 * row;
    const ImageSize size = resized(static_cast<int>(value[0]), static_cast<int>(value[1]), value[4]);
    EXPECT_EQ(size.height, value[2]) << value[0] << "x" << value[1] << " under " << value[4];
    EXPECT_EQ(size.width, value[3]) << value[0] << "x" << value[1] << " under " << value[4];
  }
}

TEST(SmartResize, RoundsHalvesToEven) {
  // 1.5, 2.5, 3.5 and 4.5 times 28; the other side keeps the budget satisfied.
  EXPECT_EQ(resized(42, 700), (ImageSize{56, 700}));
  EXPECT_EQ(resized(70, 700), (ImageSize{56, 700}));
  EXPECT_EQ(resized(98, 700), (ImageSize{112, 700}));
  EXPECT_EQ(resized(126, 700), (ImageSize{112, 700}));
}

TEST(SmartResize, RefusesWhatTheModelCannotSee) {
  const auto message = [](int height, int width) -> std::string {
    try {
      resized(height, width);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(message(28, 5600), "accepted");
  EXPECT_EQ(message(28, 5601),
            "picture: the picture has 5601x28 pixels; one side may be at most 200 times the other");
  EXPECT_EQ(message(5601, 28),
            "picture: the picture has 28x5601 pixels; one side may be at most 200 times the other");
  EXPECT_EQ(message(1, 201),
            "picture: the picture has 201x1 pixels; one side may be at most 200 times the other");
  EXPECT_EQ(message(0, 10), "picture: the picture has 10x0 pixels");
}

}  // namespace
}  // namespace oag
