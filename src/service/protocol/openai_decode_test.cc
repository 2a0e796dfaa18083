#include "service/protocol/openai_decode.h"

#include <gtest/gtest.h>

#include "service/protocol/openapi.h"
#include "service/protocol/request_error.h"

namespace oag {
namespace {

const std::string kHi = R"("messages":[{"role":"user","content":"Hi"}])";

// The problem that a chat with these fields is answered with; its status is 200 where there is none.
ApiProblem problem_with(const std::string& fields, bool strict = false) {
  try {
    OpenAiDecoder(strict).chat("{" + kHi + (fields.empty() ? "" : ",") + fields + "}");
  } catch (const Error& error) {
    return problem_of(error);
  }
  return {200, "", "", "", "", 0};
}

TEST(OpenAiDecoder, TakesWhatThePhoneAgentSends) {
  const Request request = OpenAiDecoder().chat(
      R"({"model":"autoglm-phone-9b",)" + kHi +
      R"(,"max_tokens":3000,"temperature":0.0,"top_p":0.85,"frequency_penalty":0.2,"stream":true})");
  const auto& text = std::get<TextRequest>(request.payload);
  EXPECT_EQ(request.context.model, "autoglm-phone-9b");
  EXPECT_EQ(text.max_tokens, 3000);
  EXPECT_EQ(text.sampling.temperature, 0.0f);
  EXPECT_EQ(text.sampling.top_p, 0.85f);
  EXPECT_EQ(text.sampling.frequency_penalty, 0.2f);
  EXPECT_TRUE(text.stream);
}

TEST(OpenAiDecoder, ARefusalNamesItsField) {
  const std::tuple<std::string, std::string, std::string> cases[] = {
      {R"("temperature":3)", "temperature", "invalid_value"},
      {R"("temperature":"hot")", "temperature", "invalid_type"},
      {R"("n":0)", "n", "invalid_value"},
      {R"("stop":[""])", "stop", "invalid_value"},
      {R"("logit_bias":{"x":1})", "logit_bias", "invalid_value"},
      {R"("top_logprobs":2)", "top_logprobs", "invalid_value"},
      {R"("use_beam_search":true)", "use_beam_search", "unsupported_parameter"},
      {R"("modalities":["text","audio"])", "modalities", "unsupported_parameter"},
      {R"("tool_choice":"required")", "tool_choice", "invalid_value"},
      {R"("response_format":{"type":"json_schema"})", "response_format.json_schema",
       "missing_required_parameter"},
      {R"("min_tokens":5,"max_tokens":4)", "min_tokens", "invalid_value"},
      {R"("structured_outputs":{"regex":"a"},"guided_choice":["a"])", "structured_outputs.regex",
       "invalid_value"},
  };
  for (const auto& [fields, param, code] : cases) {
    const ApiProblem problem = problem_with(fields);
    EXPECT_EQ(problem.status, 400) << fields;
    EXPECT_EQ(problem.param, param) << fields;
    EXPECT_EQ(problem.code, code) << fields;
  }
}

TEST(OpenAiDecoder, UnknownFieldsAreWarnedOfOrRefused) {
  const Request request = OpenAiDecoder().chat("{" + kHi + R"(,"guided_regex":"a","speed":9})");
  EXPECT_EQ(request.warnings.size(), 2u);
  EXPECT_EQ(problem_with(R"("speed":9)", true).code, "unknown_parameter");
  EXPECT_EQ(problem_with(R"("user":"me","store":false,"metadata":{}, "modalities":["text"])", true).status,
            200);
}

TEST(OpenAiDecoder, UnknownFieldsInsideOfOthersAreWarnedOfOrRefused) {
  const std::pair<std::string, std::string> cases[] = {
      {R"({"messages":[{"role":"user","content":"Hi","foo":1}]})", "messages[0].foo"},
      {R"({"messages":[{"role":"user","content":[{"type":"text","text":"Hi","cache_control":{}}]}]})",
       "messages[0].content[0].cache_control"},
      {"{" + kHi + R"(,"stream":true,"stream_options":{"include_usages":true}})",
       "stream_options.include_usages"},
      {"{" + kHi + R"(,"response_format":{"type":"text","foo":2}})", "response_format.foo"},
      {"{" + kHi + R"(,"tools":[{"type":"function","function":{"name":"f","foo":1}}]})",
       "tools[0].function.foo"},
      {"{" + kHi +
           R"(,"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"f"},"foo":1}})",
       "tool_choice.foo"},
  };
  for (const auto& [body, path] : cases) {
    const Request request = OpenAiDecoder().chat(body);
    ASSERT_EQ(request.warnings.size(), 1u) << body;
    EXPECT_NE(request.warnings[0].find(path), std::string::npos) << request.warnings[0];
    try {
      OpenAiDecoder(true).chat(body);
      ADD_FAILURE() << body;
    } catch (const Error& error) {
      EXPECT_EQ(problem_of(error).code, "unknown_parameter");
      EXPECT_EQ(problem_of(error).param, path);
    }
  }
}

TEST(OpenAiDecoder, WhatClientsSendBackIsKnown) {
  const Request request = OpenAiDecoder(true).chat(
      R"({"messages":[{"role":"user","name":"me","content":[{"type":"text","text":"Hi"},{"type":"image_url","image_url":{"url":"data:,","detail":"auto"}}]},
      {"role":"assistant","content":null,"refusal":null,"annotations":[],"audio":null,"function_call":null,
       "tool_calls":[{"index":0,"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},
      {"role":"tool","tool_call_id":"1","content":"5"},{"role":"assistant","content":"x","function_call":{"name":"f","arguments":"{}"}}],
      "response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"type":"object","x-y":1}}},
      "tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"any":{"thing":1}}}}]})");
  EXPECT_TRUE(request.warnings.empty());
}

TEST(OpenAiDecoder, PicturesOfLessDetailAreRefused) {
  try {
    OpenAiDecoder().chat(
        R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:,","detail":"low"}}]}]})");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(problem_of(error).param, "messages[0].content[0].image_url.detail");
  }
}

TEST(OpenAiDecoder, TokenizeTakesNoTemplateVariablesThatTheRequestSets) {
  for (const std::string name : {"messages", "tools", "add_generation_prompt"}) {
    try {
      OpenAiDecoder().tokenize("{" + kHi + R"(,"chat_template_kwargs":{")" + name + R"(":[]}})");
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(problem_of(error).param, "chat_template_kwargs." + name);
    }
  }
}

TEST(OpenAiDecoder, NullIsLeftOut) {
  const OpenAiDecoder decoder;
  for (const auto& entry : decoder.chat_table().entries()) {
    if (entry.field->name == "messages") continue;
    EXPECT_EQ(problem_with("\"" + std::string(entry.field->name) + "\":null").status, 200)
        << entry.field->name;
  }
}

TEST(OpenAiDecoder, MalformedJsonIsABadRequest) {
  for (const std::string body : {"", "{", "[]", "null", "{\"messages\":[]}", "{}"}) {
    try {
      OpenAiDecoder().chat(body);
      ADD_FAILURE() << body;
    } catch (const Error& error) {
      EXPECT_EQ(problem_of(error).status, 400) << body;
    }
  }
}

}  // namespace
}  // namespace oag
