#include "base/json.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace oag {
namespace {

std::string error_of(const std::string& text) {
  try {
    parse_json(text, "file.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
    return error.what();
  }
  return "no error";
}

TEST(ParseJson, KeepsTheOrderOfKeys) {
  EXPECT_EQ(parse_json(R"({"b":1,"a":[true,null,"\u00e9"]})", "x").dump(), "{\"b\":1,\"a\":[true,null,\"\u00e9\"]}");
}

TEST(ParseJson, NamesLineAndColumnOfAMistake) {
  EXPECT_EQ(error_of("{\n  \"a\": tru\n}"), "file.json: is not valid JSON at line 2, column 11");
}

TEST(ParseJson, RefusesNumbersBeyondADouble) {
  EXPECT_EQ(error_of("[1e999]"), "file.json: holds a number beyond the range of a double (about 1.8e308)");
  EXPECT_EQ(parse_json("1.7976931348623157e308", "x").get<double>(), 1.7976931348623157e308);
}

TEST(ParseJson, RefusesNestingBeyond128Levels) {
  const std::string deepest = std::string(128, '[') + std::string(128, ']');
  EXPECT_EQ(error_of(deepest), "no error");
  EXPECT_EQ(error_of("[" + deepest + "]"), "file.json: JSON is nested deeper than 128 levels");
}

TEST(ParseJson, RefusesBytesThatAreNotUtf8) { EXPECT_NE(error_of("\"\xff\xfe\""), "no error"); }

}  // namespace
}  // namespace oag
