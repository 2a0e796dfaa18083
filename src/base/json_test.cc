#include "base/json.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace oag {
namespace {

std::string error_of(std::string_view text) {
  try {
    parse_json(text, "input");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
    return error.what();
  }
  return "no error";
}

std::string nested(int depth) {
  return std::string(static_cast<size_t>(depth), '[') + std::string(static_cast<size_t>(depth), ']');
}

TEST(ParseJson, KeepsTheOrderOfKeys) {
  EXPECT_EQ(parse_json(R"({"b": 1, "a": [true, null, "x"]})", "input").dump(),
            R"({"b":1,"a":[true,null,"x"]})");
}

TEST(ParseJson, NamesTheSourceLineAndColumnOfAnError) {
  EXPECT_EQ(error_of("{\"a\" 1}"), "input: is not valid JSON at line 1, column 6");
  EXPECT_EQ(error_of("{\n  \"a\": 1,\n  \"b\": ?\n}"), "input: is not valid JSON at line 3, column 8");
  EXPECT_EQ(error_of("[1] 2"), "input: is not valid JSON at line 1, column 5");
}

TEST(ParseJson, RefusesWhatIsNoJson) {
  for (const char* text :
       {"", " ", "[1", "{\"a\":}", "nul", "'a'", "\"\xff\"", "[1,]", "{1:2}", "\"\\ud800\"", "01"}) {
    EXPECT_NE(error_of(text), "no error") << text;
  }
}

TEST(ParseJson, RefusesNumbersThatNoDoubleHolds) {
  EXPECT_NE(error_of("[1e999]"), "no error");
}

TEST(ParseJson, Allows128LevelsAndNoMore) {
  EXPECT_EQ(parse_json(nested(128), "input").size(), 1u);
  EXPECT_EQ(error_of(nested(129)), "input: JSON is nested deeper than 128 levels");
  EXPECT_EQ(error_of(nested(1'000'000)), "input: JSON is nested deeper than 128 levels");
}

}  // namespace
}  // namespace oag
