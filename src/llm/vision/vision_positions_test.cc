#include "llm/vision/vision_positions.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/npy.h"

namespace oag {
namespace {

constexpr int kMerge = 2;
const std::filesystem::path kFolder = std::filesystem::path(OAG_SOURCE_DIR) / "tests/data/vision";

std::vector<ImageGrid> grids_of(const std::string& prompt) {
  const Json cases = parse_json(read_file(kFolder / "cases.json"), "cases.json");
  std::vector<ImageGrid> grids;
  for (const Json& grid : cases.at(prompt).at("grids")) grids.push_back({grid[0], grid[1], grid[2]});
  return grids;
}

template <typename T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

void expect_near(const std::vector<float>& ours, const std::vector<float>& theirs, float tolerance) {
  ASSERT_EQ(ours.size(), theirs.size());
  for (size_t i = 0; i < ours.size(); ++i) ASSERT_NEAR(ours[i], theirs[i], tolerance) << "value " << i;
}

TEST(VisionPositions, PatchesStandInMergeBlocks) {
  const Json cases = parse_json(read_file(kFolder / "cases.json"), "cases.json");
  for (const char* prompt : {"img_a", "img_ab"}) {
    std::vector<int32_t> positions;
    for (const ImageGrid& grid : grids_of(prompt)) append(positions, patch_positions(grid, kMerge));
    EXPECT_EQ(positions, cases.at(prompt).at("vision_pos").get<std::vector<int32_t>>()) << prompt;
  }
}

TEST(VisionPositions, AGridOfPartsOfBlocksIsRefused) {
  std::vector<float> table(4), out(18);
  for (const ImageGrid& grid : {ImageGrid{1, 6, 3}, ImageGrid{1, 3, 6}, ImageGrid{1, -2, 2}}) {
    EXPECT_THROW(patch_positions(grid, 2), Error);
    EXPECT_THROW(position_taps(grid, 2, 2), Error);
    EXPECT_THROW(sample_position_table(table, 2, 1, grid, 2, out), Error);
    EXPECT_THROW(vision_rope(grid, 2, 8), Error);
  }
  EXPECT_THROW(patch_positions({1, 2, 2}, 0), Error);
}

TEST(VisionPositions, EachFrameRepeatsThePositions) {
  const std::vector<int32_t> one = patch_positions({1, 4, 6}, kMerge);
  std::vector<int32_t> twice = one;
  append(twice, one);
  EXPECT_EQ(patch_positions({2, 4, 6}, kMerge), twice);
}

TEST(VisionPositions, TheTableIsSampledAsTorchDoes) {
  const auto table = test::load_npy<float>(kFolder / "position_table.npy");
  const int width = static_cast<int>(table.shape.at(1));
  for (const std::string prompt : {"img_a", "img_ab"}) {
    std::vector<float> sampled;
    for (const ImageGrid& grid : grids_of(prompt)) {
      std::vector<float> part(static_cast<size_t>(grid.patches() * width));
      sample_position_table(table.values, 8, width, grid, kMerge, part);
      append(sampled, part);
    }
    expect_near(sampled, test::load_npy<float>(kFolder / (prompt + ".positions.npy")).values, 2e-6f);
  }
}

TEST(VisionPositions, TapsGiveWhatTheSampledTableHolds) {
  const auto table = test::load_npy<float>(kFolder / "position_table.npy");
  const int width = static_cast<int>(table.shape.at(1));
  const ImageGrid grid{1, 10, 6};
  std::vector<float> sampled(static_cast<size_t>(grid.patches() * width));
  sample_position_table(table.values, 8, width, grid, kMerge, sampled);
  const PositionTaps taps = position_taps(grid, kMerge, 8);
  std::vector<float> by_taps(sampled.size());
  for (size_t i = 0; i < by_taps.size(); ++i)
    for (size_t k = i / width * 16; k < i / width * 16 + 16; ++k)
      by_taps[i] +=
          taps.weight.at(k) * table.values.at(static_cast<size_t>(taps.index.at(k)) * width + i % width);
  EXPECT_EQ(by_taps, sampled);
}

TEST(VisionPositions, AGridOfTheTablesSizeTakesItsEntries) {
  const PositionTaps taps = position_taps({1, 4, 4}, 1, 4);
  for (size_t patch = 0; patch < 16; ++patch) {
    float own = 0.0f, others = 0.0f;
    for (size_t k = 16 * patch; k < 16 * patch + 16; ++k)
      (taps.index[k] == static_cast<int32_t>(patch) ? own : others) += std::abs(taps.weight[k]);
    EXPECT_EQ(own, 1.0f);
    EXPECT_EQ(others, 0.0f);
  }
}

TEST(VisionPositions, RotaryEmbeddingEqualsTheReference) {
  VisionRope rope;
  for (const ImageGrid& grid : grids_of("img_ab")) {
    const VisionRope part = vision_rope(grid, kMerge, 32);
    append(rope.cos, part.cos);
    append(rope.sin, part.sin);
  }
  expect_near(rope.cos, test::load_npy<float>(kFolder / "img_ab.cos.npy").values, 2e-7f);
  expect_near(rope.sin, test::load_npy<float>(kFolder / "img_ab.sin.npy").values, 2e-7f);
}

}  // namespace
}  // namespace oag
