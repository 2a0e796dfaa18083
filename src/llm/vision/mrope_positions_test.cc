#include "llm/vision/mrope_positions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace oag {
namespace {

constexpr int kMerge = 2;
constexpr int32_t kImage = 506;  // of the tiny model

struct Prompt {
  std::vector<int32_t> ids;
  std::vector<int32_t> positions;
  std::vector<ImageGrid> grids;
  int32_t delta = 0;
};

Prompt stored_prompt(const std::string& name) {
  const Json cases = parse_json(
      read_file(std::filesystem::path(OAG_SOURCE_DIR) / "tests/data/vision/cases.json"), "cases.json");
  const Json& item = cases.at(name);
  Prompt prompt{item.at("ids"), item.at("positions"), {}, item.at("delta")};
  for (const Json& grid : item.at("grids")) prompt.grids.push_back({grid[0], grid[1], grid[2]});
  return prompt;
}

std::string refusal(std::span<const int32_t> ids, std::span<const ImageGrid> grids) {
  try {
    split_prompt(ids, kImage, grids, kMerge, "prompt");
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(MropePositions, EqualTransformers) {
  for (const char* name : {"img_a", "img_b", "img_ab", "video"}) {
    const Prompt prompt = stored_prompt(name);
    const auto runs = split_prompt(prompt.ids, kImage, prompt.grids, kMerge, name);
    const MropePositions positions = mrope_positions(runs, kMerge);
    EXPECT_EQ(positions.ids, prompt.positions) << name;
    EXPECT_EQ(positions.next - static_cast<int32_t>(prompt.ids.size()), prompt.delta) << name;
  }
}

TEST(MropePositions, TextCountsOnFromWhereThePastEnded) {
  const std::vector<PromptRun> runs = {{.tokens = 3, .grid = {}}};
  const MropePositions positions = mrope_positions(runs, kMerge, 40);
  EXPECT_EQ(positions.ids, (std::vector<int32_t>{40, 41, 42, 40, 41, 42, 40, 41, 42}));
  EXPECT_EQ(positions.next, 43);
}

TEST(MropePositions, APromptInTwoPartsHasThePositionsOfTheWhole) {
  const Prompt prompt = stored_prompt("img_ab");
  const auto runs = split_prompt(prompt.ids, kImage, prompt.grids, kMerge, "prompt");
  const MropePositions whole = mrope_positions(runs, kMerge);
  const auto half = std::span(runs).first(3);
  const MropePositions first = mrope_positions(half, kMerge);
  const MropePositions second = mrope_positions(std::span(runs).subspan(3), kMerge, first.next);
  EXPECT_EQ(second.next, whole.next);
  const size_t tokens = prompt.ids.size(), split = first.ids.size() / 3;
  for (size_t axis = 0; axis < 3; ++axis)
    for (size_t i = split; i < tokens; ++i)
      EXPECT_EQ(second.ids[axis * (tokens - split) + i - split], whole.ids[axis * tokens + i]);
}

TEST(MropePositions, PastThirtyOneBitsAreRefused) {
  const std::vector<PromptRun> runs = {{.tokens = 2, .grid = {}}};
  EXPECT_THROW(mrope_positions(runs, kMerge, std::numeric_limits<int32_t>::max() - 1), Error);
}

TEST(ImageTokens, EachPlaceBecomesTheTokensOfItsPicture) {
  const Prompt prompt = stored_prompt("img_ab");
  // One token for each run of them, as a template writes it.
  std::vector<int32_t> places = prompt.ids;
  const auto tail =
      std::ranges::unique(places, [](int32_t a, int32_t b) { return a == kImage && b == kImage; });
  places.erase(tail.begin(), tail.end());
  EXPECT_EQ(std::ranges::count(places, kImage), 2);
  EXPECT_EQ(expand_image_tokens(places, kImage, prompt.grids, kMerge, "prompt"), prompt.ids);
}

TEST(ImageTokens, PicturesSideBySideStayApart) {
  const std::vector<int32_t> ids = {1, kImage, kImage, kImage, 2};
  const std::vector<ImageGrid> grids = {{1, 2, 2}, {1, 2, 4}};
  const auto runs = split_prompt(ids, kImage, grids, kMerge, "prompt");
  ASSERT_EQ(runs.size(), 4u);
  EXPECT_EQ(runs[1].tokens, 1);
  EXPECT_EQ(runs[2].tokens, 2);
  EXPECT_EQ(mrope_positions(runs, kMerge).next, 5);  // 1 + 1 + 2 + 1
}

TEST(ImageTokens, PlacesAndPicturesThatDoNotMatchAreNamed) {
  const std::vector<ImageGrid> one = {{1, 4, 4}};
  const std::vector<ImageGrid> two = {{1, 4, 4}, {1, 2, 2}};
  const std::vector<int32_t> four = {1, kImage, kImage, kImage, kImage, 2};
  const std::vector<int32_t> five = {1, kImage, kImage, kImage, kImage, 2, kImage};
  EXPECT_EQ(refusal(four, one), "accepted");
  EXPECT_EQ(refusal(five, two), "accepted");
  EXPECT_EQ(refusal(five, one), "prompt: image tokens from token 6 on have no picture: 1 were given");
  EXPECT_EQ(refusal(four, two), "prompt: 2 pictures were given, the prompt has places for 1");
  EXPECT_EQ(refusal(std::span(four).first(3), one),
            "prompt: picture 1 takes 4 tokens (4x4 patches), its place at token 1 has 2");
  EXPECT_EQ(refusal(four, {}), "prompt: image tokens from token 1 on have no picture: 0 were given");
  try {
    expand_image_tokens(std::vector<int32_t>{kImage, 1}, kImage, two, kMerge, "prompt");
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "prompt: the prompt has 1 image places for 2 pictures: each place takes one");
  }
}

}  // namespace
}  // namespace oag
