// From the bytes of a picture to the rows that the vision tower takes.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "llm/vision/glm_image_processor.h"
#include "tests/support/fnv1a.h"

namespace oag {
namespace {

const std::filesystem::path kFolder = std::filesystem::path(OAG_SOURCE_DIR) / "tests/data/vision";

TEST(PixelRows, OfAFileEqualThoseOfTransformersBitForBit) {
  const Json cases = parse_json(read_file(kFolder / "cases.json"), "cases.json");
  GlmImageConfig config;
  config.max_pixels = 50176;  // of the reference
  const GlmImageProcessor processor(config);
  for (const char* name : {"img_a", "img_ab"}) {
    const Json& item = cases.at(name);
    std::vector<float> all_rows;
    for (size_t i = 0; i < item.at("image_files").size(); ++i) {
      const std::string bytes = read_file(kFolder / item.at("image_files")[i].get<std::string>());
      const RgbImage image = decode_image(std::as_bytes(std::span(bytes)), name);
      const ImageGrid grid = processor.grid_of(image.width, image.height, name);
      EXPECT_EQ((Json{grid.frames, grid.rows, grid.columns}), item.at("grids")[i]) << name << " " << i;
      std::vector<float> rows(static_cast<size_t>(grid.patches() * processor.row_values()));
      EXPECT_EQ(processor.process(image, name, rows), grid);
      all_rows.insert(all_rows.end(), rows.begin(), rows.end());
    }
    EXPECT_EQ(test::fnv1a(std::as_bytes(std::span(all_rows))),
              item.at("pixel_values_fnv1a").get<std::string>())
        << name;
  }
}

}  // namespace
}  // namespace oag
