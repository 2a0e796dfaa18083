#include "cli/shown_pictures.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"

namespace oag::cli {
namespace {

const std::string kPicture = OAG_SOURCE_DIR "/tests/data/images/png_c4_d8_i.png";

TEST(ShownPictures, PastTheLimitPixelsAreNotKeptButReadAgain) {
  const RgbImage whole = read_image(kPicture, "picture");
  const int64_t one = int64_t{whole.width} * whole.height;
  const ShownPictures pictures(std::vector<std::string>(5, kPicture), 2 * one);
  EXPECT_EQ(pictures.size(), 5u);
  EXPECT_EQ(pictures.kept_pixels(), 2 * one);
  for (size_t i = 0; i < pictures.size(); ++i) EXPECT_EQ(pictures.pixels(i).pixels, whole.pixels) << i;
}

TEST(ShownPictures, ABrokenOneIsRefusedWhenItComesAndTheOthersStay) {
  ShownPictures pictures(std::vector<std::string>{kPicture});
  EXPECT_THROW(pictures.add(OAG_SOURCE_DIR "/README.md"), Error);
  EXPECT_EQ(pictures.size(), 1u);
  pictures.clear();
  EXPECT_TRUE(pictures.empty());
  EXPECT_EQ(pictures.kept_pixels(), 0);
}

TEST(ShownPictures, AnAddressIsNotFetched) {
  try {
    ShownPictures(std::vector<std::string>{"https://example.com/a.png"});
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.where(), "https://example.com/a.png");
    EXPECT_NE(error.message().find("not fetched; download it"), std::string::npos) << error.message();
  }
}

}  // namespace
}  // namespace oag::cli
