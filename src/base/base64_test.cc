#include "base/base64.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace oag {
namespace {

std::string decoded(std::string_view text, size_t max_bytes = 100) {
  const std::vector<std::byte> bytes = decode_base64(text, "text", max_bytes);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string refusal(std::string_view text, size_t max_bytes = 100) {
  try {
    decoded(text, max_bytes);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Base64, DecodesTheVectorsOfRfc4648) {
  EXPECT_EQ(decoded(""), "");
  EXPECT_EQ(decoded("Zg=="), "f");
  EXPECT_EQ(decoded("Zm8="), "fo");
  EXPECT_EQ(decoded("Zm9v"), "foo");
  EXPECT_EQ(decoded("Zm9vYg=="), "foob");
  EXPECT_EQ(decoded("Zm9vYmE="), "fooba");
  EXPECT_EQ(decoded("Zm9vYmFy"), "foobar");
  EXPECT_EQ(decoded("AP/+"), std::string("\0\xff\xfe", 3));
}

TEST(Base64, RefusesWhatIsNotCanonical) {
  EXPECT_EQ(refusal("Zm9"),
            "text: base64 text of 3 characters is cut off or not padded with '=' to a multiple of 4");
  EXPECT_EQ(refusal("Zm 9"), "text: byte 0x20 at offset 2 of the base64 text is no digit of A-Z a-z 0-9 + /");
  EXPECT_EQ(refusal("Zg==Zg=="),
            "text: byte 0x3d at offset 2 of the base64 text is no digit of A-Z a-z 0-9 + /");
  for (const char* text : {"Z===", "====", "Zm8-", "Zm8_", "Zm9v\n", "Zm\xc3\xa9", "Zh==", "Zm9="})
    EXPECT_NE(refusal(text), "accepted") << text;
}

TEST(Base64, RefusesMoreThanTheLimitAndTakesTheLimit) {
  EXPECT_EQ(decoded("Zm9vYg==", 4), "foob");
  EXPECT_EQ(refusal("Zm9vYg==", 3), "text: base64 text holds 4 bytes, the limit is 3");
}

}  // namespace
}  // namespace oag
