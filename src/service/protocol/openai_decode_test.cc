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
