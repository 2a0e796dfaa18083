#include "llm/text/answer_parser.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace oag {
namespace {

// What a parser makes of an answer that comes in pieces of `size` bytes, with the pieces of each call joined.
struct Parsed {
  std::string text, reasoning;
  std::vector<std::pair<std::string, std::string>> calls;  // name, arguments
};

Parsed parse(const AnswerFormat& format, std::string_view answer, size_t size) {
  const auto parser = make_answer_parser(format);
  Parsed parsed;
  const auto take = [&](AnswerPiece piece) {
    parsed.text += piece.text;
    parsed.reasoning += piece.reasoning;
    for (const ToolCallPiece& call : piece.calls) {
      if (!call.name.empty()) {
        EXPECT_EQ(call.index, static_cast<int64_t>(parsed.calls.size()));
        parsed.calls.emplace_back(call.name, "");
      }
      ASSERT_FALSE(parsed.calls.empty());
      parsed.calls.back().second += call.arguments;
    }
  };
  for (size_t at = 0; at < answer.size(); at += size) take(parser->push(answer.substr(at, size)));
  take(parser->flush());
  return parsed;
}

AnswerFormat calls_as(ToolFormat tools) {
  AnswerFormat format;
  format.calls_tools = true;
  format.tools = tools;
  format.tool_names = {"weather", "weather_of_tomorrow"};
  return format;
}

class AnswerParserTest : public testing::TestWithParam<size_t> {};

TEST_P(AnswerParserTest, ReadsTheCallsOfQwenBetweenText) {
  const Parsed parsed = parse(
      calls_as(ToolFormat::kTagged),
      "I look.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"a}\\\"b\"}}\n</tool_call>\n"
      "<tool_call>\n{\"arguments\": {\"n\": [1, {}]}, \"name\": \"weather\"}\n</tool_call>",
      GetParam());
  ASSERT_EQ(parsed.calls.size(), 2u);
  EXPECT_EQ(parsed.calls[0].first, "weather");
  EXPECT_EQ(Json::parse(parsed.calls[0].second), Json({{"city", "a}\"b"}}));
  EXPECT_EQ(Json::parse(parsed.calls[1].second), Json::parse(R"({"n": [1, {}]})"));
  EXPECT_EQ(parsed.text.substr(0, 8), "I look.\n");
}

TEST_P(AnswerParserTest, ReadsTheCallsOfMistralLlamaAndBothGlms) {
  const std::pair<ToolFormat, std::string> answers[] = {
      {ToolFormat::kMistral, R"([TOOL_CALLS][{"name": "weather", "arguments": {"city": "Paris"}}])"},
      {ToolFormat::kJson, R"({"name": "weather", "parameters": {"city": "Paris"}})"},
      {ToolFormat::kGlmLine, "weather\n{\"city\": \"Paris\"}"},
      {ToolFormat::kGlmTagged,
       "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n</tool_call>"},
  };
  for (const auto& [format, answer] : answers) {
    const Parsed parsed = parse(calls_as(format), answer, GetParam());
    ASSERT_EQ(parsed.calls.size(), 1u) << answer;
    EXPECT_EQ(parsed.calls[0].first, "weather") << answer;
    EXPECT_EQ(Json::parse(parsed.calls[0].second), Json({{"city", "Paris"}})) << answer;
    EXPECT_EQ(parsed.text, "") << answer;
  }
}

TEST_P(AnswerParserTest, WhatIsNoCallStaysText) {
  for (const ToolFormat format : {ToolFormat::kTagged, ToolFormat::kMistral, ToolFormat::kJson,
                                  ToolFormat::kGlmLine, ToolFormat::kGlmTagged}) {
    for (const std::string answer :
         {"It rains <tool_c", "weather is fine", "", "a < b", "[TOOL", "x {\"name\": 1}"}) {
      const Parsed parsed = parse(calls_as(format), answer, GetParam());
      EXPECT_EQ(parsed.text, answer);
      EXPECT_TRUE(parsed.calls.empty());
    }
  }
}

TEST_P(AnswerParserTest, ArgumentsAsATextAreTheObjectInIt) {
  const std::string arguments = R"("{\"city\": \"Rome \\\"R\\\" \u00e9\"}")";
  const std::pair<ToolFormat, std::string> answers[] = {
      {ToolFormat::kTagged, R"(<tool_call>{"name": "weather", "arguments": )" + arguments + "}</tool_call>"},
      {ToolFormat::kTagged,
       R"(<tool_call>{"arguments": )" + arguments + R"(, "name": "weather"}</tool_call>)"},
      {ToolFormat::kMistral, R"([TOOL_CALLS][{"name": "weather", "arguments": )" + arguments + "}]"},
      {ToolFormat::kJson, R"({"name": "weather", "parameters": )" + arguments + "}"},
  };
  for (const auto& [format, answer] : answers) {
    const Parsed parsed = parse(calls_as(format), answer, GetParam());
    ASSERT_EQ(parsed.calls.size(), 1u) << answer;
    EXPECT_EQ(Json::parse(parsed.calls[0].second), Json::parse(R"({"city": "Rome \"R\" \u00e9"})")) << answer;
    EXPECT_EQ(parsed.text, "");
  }
  for (const std::string written :
       {"", R"(, "arguments": null)", R"(, "arguments": "")", R"(, "arguments": {})"}) {
    const Parsed parsed = parse(calls_as(ToolFormat::kTagged),
                                R"(<tool_call>{"name": "weather")" + written + "}</tool_call>", GetParam());
    ASSERT_EQ(parsed.calls.size(), 1u) << written;
    EXPECT_EQ(parsed.calls[0].second, "{}") << written;
  }
}

TEST_P(AnswerParserTest, WhatStandsBetweenMarksAndIsNoCallIsTextAsAWhole) {
  const std::pair<ToolFormat, std::string> answers[] = {
      {ToolFormat::kTagged, "<tool_call>hello world</tool_call>"},
      {ToolFormat::kTagged, "so <tool_call>{\"foo\": [1, 2]}</tool_call>bye"},
      {ToolFormat::kTagged, "<tool_call>{\"name\": \"nope\", \"arguments\": {\"x\": 1}}</tool_call>"},
      {ToolFormat::kTagged, "<tool_call>{ a < b </tool_call> c"},
      {ToolFormat::kTagged, "<tool_call></tool_call>"},
      {ToolFormat::kTagged, "<tool_call>{\"nam"},
      {ToolFormat::kMistral, "[TOOL_CALLS][{\"name\": \"nope\", \"arguments\": {}}]"},
      {ToolFormat::kMistral, "[TOOL_CALLS] none"},
      {ToolFormat::kJson, "[{\"name\": \"nope\"}, {\"a\": 1}]\n"},
      {ToolFormat::kJson, "{\"city\": \"Rome\"} is an object"},
      {ToolFormat::kGlmTagged, "<tool_call>hello world</tool_call>"},
      {ToolFormat::kGlmTagged, "<tool_call>nope\n<arg_key>a</arg_key><arg_value>1</arg_value></tool_call>"},
  };
  for (const auto& [format, answer] : answers) {
    const Parsed parsed = parse(calls_as(format), answer, GetParam());
    EXPECT_EQ(parsed.text, answer);
    EXPECT_TRUE(parsed.calls.empty()) << answer;
  }
}

TEST_P(AnswerParserTest, TextAroundCallsIsNotLost) {
  const std::string call = R"({"name": "weather", "arguments": {}})";
  const std::tuple<ToolFormat, std::string, std::string, size_t> answers[] = {
      {ToolFormat::kTagged, "<tool_call>" + call + "</tool_call><tool_call>{}</tool_call>bye",
       "<tool_call>{}</tool_call>bye", 1},
      {ToolFormat::kTagged, "<tool_call>I call " + call + "</tool_call>", "I call ", 1},
      // An object that was not closed ends at the mark.
      {ToolFormat::kTagged, "<tool_call>{\"name\": \"weather\", \"arguments\": {}</tool_call>bye", "bye", 1},
      {ToolFormat::kMistral, "[TOOL_CALLS][" + call + "] done", "] done", 1},
      {ToolFormat::kJson, call + "; " + call + "\nDone.", "Done.", 2},
  };
  for (const auto& [format, answer, text, calls] : answers) {
    const Parsed parsed = parse(calls_as(format), answer, GetParam());
    EXPECT_EQ(parsed.text, text) << answer;
    EXPECT_EQ(parsed.calls.size(), calls) << answer;
  }
}

TEST_P(AnswerParserTest, ThoughtsAreNoText) {
  AnswerFormat format;
  format.separate_reasoning = true;
  EXPECT_EQ(parse(format, "<think>why</think>so", GetParam()).reasoning, "why");
  EXPECT_EQ(parse(format, "<think>why</think>so", GetParam()).text, "so");
  EXPECT_EQ(parse(format, "a <thin", GetParam()).text, "a <thin");
  format.begins_in_reasoning = true;
  EXPECT_EQ(parse(format, "why</think>so", GetParam()).reasoning, "why");
  EXPECT_EQ(parse(format, "why not", GetParam()).reasoning, "why not");
}

TEST_P(AnswerParserTest, ASingleCallIsTheEndOfTheAnswer) {
  const std::string call = R"({"name": "weather", "arguments": {"a": 1}})";
  const std::pair<ToolFormat, std::string> answers[] = {
      {ToolFormat::kTagged, "<tool_call>" + call + "</tool_call><tool_call>" + call + "</tool_call>"},
      {ToolFormat::kMistral, "[TOOL_CALLS][" + call + ", " + call + "]"},
      {ToolFormat::kJson, "[" + call + ", " + call + "]"},
      {ToolFormat::kGlmTagged,
       "<tool_call>weather\n<arg_key>a</arg_key><arg_value>1</arg_value></tool_call>"
       "<tool_call>weather\n</tool_call>"},
  };
  for (const auto& [tools, answer] : answers) {
    AnswerFormat format = calls_as(tools);
    format.one_call = true;
    const Parsed parsed = parse(format, answer, GetParam());
    ASSERT_EQ(parsed.calls.size(), 1u) << answer;
    EXPECT_EQ(Json::parse(parsed.calls[0].second), Json({{"a", 1}}));
    const auto parser = make_answer_parser(format);
    parser->push(std::string_view(answer).substr(0, 20));
    EXPECT_FALSE(parser->ended());
    parser->push(std::string_view(answer).substr(20));
    EXPECT_TRUE(parser->ended());
  }
}

INSTANTIATE_TEST_SUITE_P(InPiecesOf, AnswerParserTest, testing::Values(1, 2, 3, 7, 1000));

TEST(ToolFormat, IsTheOneThatTheTemplateShows) {
  EXPECT_EQ(tool_format("… <tool_call>{{name}}\n<arg_key>", "glm4moe"), ToolFormat::kGlmTagged);
  EXPECT_EQ(tool_format("… <tool_call>\n{\"name\"", "qwen2"), ToolFormat::kTagged);
  EXPECT_EQ(tool_format("[TOOL_CALLS]", "llama"), ToolFormat::kMistral);
  EXPECT_EQ(tool_format("<|python_tag|>", "llama"), ToolFormat::kJson);
  EXPECT_EQ(tool_format("{% if tools %}", "chatglm"), ToolFormat::kGlmLine);
}

}  // namespace
}  // namespace oag
