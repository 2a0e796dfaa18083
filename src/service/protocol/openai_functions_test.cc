// functions and function_call, which OpenAI's API had before tools; its documentation of then is the oracle.
#include <gtest/gtest.h>

#include "service/protocol/openai_decode.h"
#include "service/protocol/openai_encode.h"

namespace oag {
namespace {

AnswerHead head_of(bool functions) {
  AnswerHead head{"id", "model", 1};
  head.functions = functions;
  return head;
}

// A call as an answer's parser gives it: the name and the beginning of its arguments at once, then the rest.
AnswerDelta first_piece() {
  AnswerDelta delta;
  delta.tool_calls = {{0, "call-1", "weather", ""}, {0, "", "", "{\"city\""}};
  return delta;
}

AnswerDelta last_piece() {
  AnswerDelta delta;
  delta.tool_calls = {{0, "", "", ":1}"}};
  delta.finish_reason = "tool_calls";
  return delta;
}

TEST(OpenAiFunctions, AWholeAnswerHasAFunctionCall) {
  AnswerDelta whole;
  whole.tool_calls = {{0, "call-1", "weather", "{}"}};
  whole.finish_reason = "tool_calls";
  const Json choice = openai_answer(head_of(true), std::vector{whole}, {}, {})["choices"][0];
  EXPECT_EQ(choice["message"]["function_call"], Json({{"name", "weather"}, {"arguments", "{}"}}));
  EXPECT_EQ(choice["message"]["content"], nullptr);
  EXPECT_FALSE(choice["message"].contains("tool_calls"));
  EXPECT_EQ(choice["finish_reason"], "function_call");
}

TEST(OpenAiFunctions, AStreamHasOnePieceOfItInAChunk) {
  OpenAiStream stream(head_of(true), false);
  const std::string first = stream.piece(first_piece());
  EXPECT_EQ(first.find("function_call"), first.rfind("function_call")) << first;
  EXPECT_EQ(Json::parse(first)["choices"][0]["delta"],
            Json({{"function_call", {{"name", "weather"}, {"arguments", "{\"city\""}}}}));
  const Json last = Json::parse(stream.piece(last_piece()))["choices"][0];
  EXPECT_EQ(last["delta"], Json({{"function_call", {{"arguments", ":1}"}}}}));
  EXPECT_EQ(last["finish_reason"], "function_call");
}

TEST(OpenAiFunctions, ToolsAreAnsweredAsTools) {
  OpenAiStream stream(head_of(false), false);
  EXPECT_EQ(Json::parse(stream.piece(first_piece()))["choices"][0]["delta"]["tool_calls"].size(), 2u);
  EXPECT_EQ(Json::parse(stream.piece(last_piece()))["choices"][0]["finish_reason"], "tool_calls");
}

TEST(OpenAiFunctions, ARequestWithFunctionsIsRemembered) {
  const std::string messages = R"({"messages":[{"role":"user","content":"Hi"}],)";
  Request old =
      OpenAiDecoder().chat(messages + R"("functions":[{"name":"f"}],"function_call":{"name":"f"}})");
  EXPECT_TRUE(text_of(old).legacy_functions);
  EXPECT_FALSE(text_of(old).parallel_tool_calls);
  Request now = OpenAiDecoder().chat(messages + R"("tools":[{"type":"function","function":{"name":"f"}}]})");
  EXPECT_FALSE(text_of(now).legacy_functions);
}

TEST(OpenAiStopReason, IsTheStopTextOrTokenOfTheRequest) {
  AnswerDelta end;
  end.finish_reason = "stop";
  const auto reason = [&] {
    OpenAiStream stream(head_of(false), false);
    const Json streamed = Json::parse(stream.piece(end))["choices"][0]["stop_reason"];
    EXPECT_EQ(openai_answer(head_of(false), std::vector{end}, {}, {})["choices"][0]["stop_reason"], streamed);
    return streamed;
  };
  EXPECT_EQ(reason(), nullptr);
  end.stop_reason = "\n\n";
  EXPECT_EQ(reason(), "\n\n");
  end.stop_reason = int64_t{7};
  EXPECT_EQ(reason(), 7);
}

}  // namespace
}  // namespace oag
