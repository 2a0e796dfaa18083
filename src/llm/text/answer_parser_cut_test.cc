#include <gtest/gtest.h>

#include "llm/text/answer_parser.h"

namespace oag {
namespace {

AnswerPiece all_of(const AnswerFormat& format, std::string_view answer, bool cut_off) {
  const auto parser = make_answer_parser(format);
  AnswerPiece all = parser->push(answer);
  AnswerPiece end = parser->flush(cut_off);
  all.text += end.text;
  for (ToolCallPiece& call : end.calls) all.calls.push_back(std::move(call));
  return all;
}

AnswerFormat calls_as(ToolFormat tools, bool must_call) {
  AnswerFormat format;
  format.calls_tools = true;
  format.must_call = must_call;
  format.tools = tools;
  format.tool_names = {"get_weather"};
  return format;
}

TEST(AnswerParserCut, TheBeginningOfARequiredCallIsNoText) {
  const std::string call = "{\n  \"name\": \"get_weather\", \"arguments\": {}}";
  for (const std::string opened : {"", "["}) {
    for (size_t size = 0; size < call.find("\", \"arg"); ++size) {
      const std::string cut = opened + call.substr(0, size);
      const AnswerPiece answer = all_of(calls_as(ToolFormat::kJson, true), cut, true);
      EXPECT_EQ(answer.text, "") << cut;
      EXPECT_TRUE(answer.calls.empty()) << cut;
    }
  }
}

TEST(AnswerParserCut, TheBeginningOfAMarkedCallIsTextOnlyWhereTheAnswerEndedByItself) {
  for (const ToolFormat tools : {ToolFormat::kTagged, ToolFormat::kMistral}) {
    const std::string mark = tools == ToolFormat::kTagged ? "<tool_call>" : "[TOOL_CALLS]";
    const std::string text = "I look.\n" + mark + "{\"name\": \"get_";
    EXPECT_EQ(all_of(calls_as(tools, false), text, true).text, "I look.\n");
    EXPECT_EQ(all_of(calls_as(tools, false), text, false).text, text);
  }
  const std::string glm = "I look.\n<tool_call>get_weather\n<arg_key>ci";
  EXPECT_EQ(all_of(calls_as(ToolFormat::kGlmTagged, false), glm, true).text, "I look.\n");
  EXPECT_EQ(all_of(calls_as(ToolFormat::kGlmTagged, false), glm, false).text, glm);
}

TEST(AnswerParserCut, TextThatIsCutStays) {
  EXPECT_EQ(all_of(calls_as(ToolFormat::kTagged, false), "2 <", true).text, "2 <");
  EXPECT_EQ(all_of(calls_as(ToolFormat::kJson, false), "{\"answer\": 4", true).text, "{\"answer\": 4");
}

}  // namespace
}  // namespace oag
