#include "base/json.h"

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json_events.h"

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

std::string object_of(size_t keys) {
  std::string text = "{";
  for (size_t i = 0; i < keys; ++i) text += fmt::format("{}\"{}\":{{}}", i == 0 ? "" : ",", i);
  return text + "}";
}

TEST(ParseJson, RefusesObjectsWhoseManyKeysWouldTakeLong) {
  EXPECT_EQ(parse_json(object_of(16384), "input").size(), 16384u);
  EXPECT_EQ(error_of(object_of(16385)), "input: a JSON object has more than 16384 keys");
  EXPECT_EQ(parse_json("[" + object_of(9000) + "," + object_of(9000) + "]", "input").size(), 2u);
}

TEST(ParseJson, TakesTheLastOfValuesWithOneKeyInTheFirstOnesPlace) {
  EXPECT_EQ(parse_json(R"({"a":1,"b":2,"a":[3],"c":4,"b":5})", "input").dump(), R"({"a":[3],"b":5,"c":4})");
  std::string many = "{", expected = "{";
  for (int i = 0; i < 40; ++i) many += fmt::format("\"{}\":{},", i % 20, i);
  for (int i = 0; i < 20; ++i) expected += fmt::format("\"{}\":{}{}", i, i + 20, i < 19 ? "," : "}");
  many.back() = '}';
  EXPECT_EQ(parse_json(many, "input").dump(), expected);
}

TEST(ParseJson, BuildsTheTreeThatTheLibraryBuilds) {
  const std::string text =
      R"( {"a":{"b":[1,-2,3.5,1e3,18446744073709551615,true,null,"x\u00e9\n",[],{}],"":{"c":{}}},"d":[[[]],[{"e":0}]]} )";
  EXPECT_EQ(parse_json(text, "input"), Json::parse(text));
  for (const char* scalar : {"1", "\"a\"", "null", "[]", "{}"})
    EXPECT_EQ(parse_json(scalar, "input"), Json::parse(scalar));
}

TEST(ParseJson, BoundsKeysAndValuesOfTheWholeDocument) {
  std::string keys = "[";
  for (int i = 0; i < 17; ++i) keys += object_of(16000) + ",";
  keys.back() = ']';
  EXPECT_EQ(error_of(keys), "input: the objects of this JSON have more than 262144 keys together");
  std::string values = "[";
  for (int i = 0; i < (1 << 22); ++i) values += "0,";
  values.back() = ']';
  EXPECT_EQ(error_of(values), "input: this JSON has more than 4194304 values");
}

// Sixteen times as much takes sixteen times as long; by comparing all keys with each other it takes far more.
TEST(ParseJson, TakesATimeThatGrowsWithTheTextAlone) {
  const auto milliseconds = [](const std::string& text) {
    double best = 1e9;
    for (int i = 0; i < 3; ++i) {
      const TimePoint begin = Clock::now();
      EXPECT_FALSE(parse_json(text, "input").empty());
      best = std::min(best, elapsed_ms(begin));
    }
    return best;
  };
  std::string many = "[", deep = "\"" + std::string(1 << 20, 'x') + "\"";
  for (int i = 0; i < 16; ++i) many += object_of(16) + ",";
  for (int i = 0; i < 120; ++i) deep = "{\"a\":" + deep + R"(,"b":0,"c":0,"d":0,"e":0})";
  many.back() = ']';
  std::string large = "[";
  for (int i = 0; i < 64; ++i) large += many + ",";
  large.back() = ']';
  const double per_key = milliseconds(large) / (64 * 16 * 16);
  EXPECT_LT(milliseconds(object_of(16000)) / 16000, 8 * per_key);
  EXPECT_LT(milliseconds(deep), 20 * milliseconds("\"" + std::string(1 << 20, 'x') + "\"") + 20);
}

// Writes what it is told.
class Recorder final : public JsonEvents {
 public:
  std::string text;

  void on_null() override { text += "null "; }
  void on_bool(bool value) override { text += value ? "true " : "false "; }
  void on_integer(int64_t value) override { text += fmt::format("{} ", value); }
  void on_unsigned(uint64_t value) override { text += fmt::format("{}u ", value); }
  void on_number(double value) override { text += fmt::format("{}f ", value); }
  void on_string(std::string& value) override { text += "'" + value + "' "; }
  void on_begin_object() override { text += "{ "; }
  void on_key(std::string& key) override { text += key + ": "; }
  void on_end_object() override { text += "} "; }
  void on_begin_array() override { text += "[ "; }
  void on_end_array() override { text += "] "; }
};

std::string events_of(std::string_view text) {
  Recorder recorder;
  try {
    read_json_events(text, "input", recorder);
  } catch (const Error& error) {
    return error.what();
  }
  return recorder.text;
}

TEST(JsonEvents, TellWhatStandsInATextInItsOrder) {
  EXPECT_EQ(events_of(R"({"b": [1, -2, 0.5, "x\u00e9"], "a": {"c": null, "d": true}, "b": 1})"),
            "{ b: [ 1u -2 0.5f 'x\xC3\xA9' ] a: { c: null d: true } b: 1u } ");
}

TEST(JsonEvents, RefuseWhatParseJsonRefuses) {
  for (const std::string& text :
       {std::string("{\n  \"a\": ?\n}"), std::string("[1"), std::string("[1] 2"), std::string("[1e999]"),
        std::string("\"\xff\""), nested(129), nested(1'000'000), std::string()}) {
    EXPECT_EQ(events_of(text), error_of(text));
  }
  EXPECT_EQ(events_of(nested(128)).size(), 512u);
}

}  // namespace
}  // namespace oag
