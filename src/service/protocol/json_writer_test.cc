#include "service/protocol/json_writer.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace oag {
namespace {

// The JSON library reads back what was written, and writes the same for broken bytes.
TEST(JsonWriter, WritesWhatTheLibraryReads) {
  std::string every_ascii;
  for (int c = 0; c < 128; ++c) every_ascii += static_cast<char>(c);
  for (const std::string& text :
       {std::string(), every_ascii, std::string("京东 \xF0\x9F\x98\x80 \xE2\x80\xA8 é")}) {
    std::string out;
    append_json_string(out, text);
    EXPECT_EQ(Json::parse(out).get<std::string>(), text);
  }
}

TEST(JsonWriter, ReplacesBytesThatAreNoUtf8) {
  for (const std::string text :
       {"\x80", "a\xC0\xAF", "\xE4\xBA", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xFFz"}) {
    std::string out;
    append_json_string(out, text);
    const std::string read = Json::parse(out).get<std::string>();
    EXPECT_NE(read.find("\xEF\xBF\xBD"), std::string::npos) << text;
    EXPECT_EQ(read.find(text), std::string::npos);
  }
}

}  // namespace
}  // namespace oag
