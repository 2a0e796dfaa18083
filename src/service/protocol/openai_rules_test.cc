// What requests of clients of OpenAI and vLLM ask for, and how it is refused.
#include <gtest/gtest.h>

#include "service/protocol/openai_decode.h"
#include "service/protocol/request_error.h"

namespace oag {
namespace {

const std::string kHi = R"("messages":[{"role":"user","content":"Hi"}])";

// How a request is refused; the status is 200 where it is not.
template <typename Read>
ApiProblem problem_of_reading(Read read) {
  try {
    read();
  } catch (const Error& error) {
    return problem_of(error);
  }
  return {200, "", "", "", "", 0};
}

ApiProblem chat_problem(const std::string& members) {
  return problem_of_reading([&] { OpenAiDecoder().chat("{" + members + "}"); });
}

ApiProblem with_hi(const std::string& fields) {
  return chat_problem(kHi + "," + fields);
}

ApiProblem completion_problem(const std::string& fields) {
  return problem_of_reading([&] { OpenAiDecoder().completion(R"({"prompt":"Hi",)" + fields + "}"); });
}

TEST(OpenAiRules, AnAnswerWithoutTokensIsRefused) {
  EXPECT_EQ(with_hi(R"("max_completion_tokens":0)").param, "max_completion_tokens");
  EXPECT_EQ(with_hi(R"("max_tokens":0)").param, "max_tokens");
  EXPECT_EQ(with_hi(R"("n_predict":0)").status, 400);
  EXPECT_EQ(completion_problem(R"("max_tokens":0)").status, 400);
  EXPECT_EQ(completion_problem(R"("max_tokens":0,"echo":true)").status, 200);
}

TEST(OpenAiRules, TwoLimitsThatDifferAreRefused) {
  EXPECT_EQ(with_hi(R"("max_tokens":5,"max_completion_tokens":6)").status, 400);
  EXPECT_EQ(with_hi(R"("max_tokens":5,"n_predict":6)").status, 400);
  EXPECT_EQ(with_hi(R"("max_tokens":5,"max_completion_tokens":5)").status, 200);
  EXPECT_EQ(with_hi(R"("repeat_penalty":1.1,"repetition_penalty":1.2)").param, "repeat_penalty");
  EXPECT_EQ(with_hi(R"("repeat_penalty":1.0,"repetition_penalty":1)").status, 200);
}

TEST(OpenAiRules, MaxTokensOfAChatIsNoOldName) {
  EXPECT_TRUE(OpenAiDecoder().chat("{" + kHi + R"(,"max_tokens":5})").warnings.empty());
  const Request request = OpenAiDecoder().chat("{" + kHi + R"(,"n_predict":5})");
  ASSERT_EQ(request.warnings.size(), 1u);
  EXPECT_EQ(request.warnings.front(), "n_predict is an old name: use max_tokens");
}

TEST(OpenAiRules, AKeyThatStandsTwiceIsRefused) {
  const ApiProblem problem = with_hi(R"("max_tokens":1,"max_tokens":2)");
  EXPECT_EQ(problem.status, 400);
  EXPECT_EQ(problem.code, "invalid_json");
  EXPECT_NE(problem.message.find("\"max_tokens\" twice"), std::string::npos) << problem.message;
  EXPECT_EQ(with_hi(R"("metadata":{"a":{"x":1,"x":2}})").status, 400);
  EXPECT_EQ(with_hi(R"("metadata":{"a":{"x":1},"b":{"x":2}})").status, 200);
}

TEST(OpenAiRules, WhatWouldChangeTheAnswerIsRefused) {
  EXPECT_EQ(completion_problem(R"("prompt_embeds":"AAAA")").param, "prompt_embeds");
  EXPECT_EQ(with_hi(R"("best_of":4)").param, "best_of");
  EXPECT_EQ(with_hi(R"("best_of":2,"n":2)").status, 200);
  const auto detail = [](const std::string& value) {
    return chat_problem(
        R"("messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:,","detail":")" +
        value + R"("}}]}])");
  };
  EXPECT_EQ(detail("low").param, "messages[0].content[0].image_url.detail");
  EXPECT_EQ(detail("auto").status, 200);
  EXPECT_EQ(detail("high").status, 200);
}

TEST(OpenAiRules, MessagesNeedTheirContent) {
  const std::pair<std::string, std::string> refused[] = {
      {R"({"role":"user"})", "content"},
      {R"({"role":"user","content":null})", "content"},
      {R"({"role":"user","content":[]})", "content"},
      {R"({"role":"system"})", "content"},
      {R"({"role":"assistant"})", "content"},
      {R"({"role":"assistant","content":null,"tool_calls":[]})", "content"},
      {R"({"role":"tool","content":"1"})", "tool_call_id"},
      {R"({"role":"tool","tool_call_id":"a"})", "content"},
      {R"({"role":"function","content":"1"})", "name"},
  };
  for (const auto& [message, param] : refused) {
    const ApiProblem problem = chat_problem("\"messages\":[" + message + "]");
    EXPECT_EQ(problem.status, 400) << message;
    EXPECT_EQ(problem.param, "messages[0]." + param) << message;
    EXPECT_EQ(
        problem_of_reading([&] { OpenAiDecoder().tokenize("{\"messages\":[" + message + "]}"); }).status,
        400);
  }
  for (const std::string message : {
           R"({"role":"user","content":""})",
           R"({"role":"assistant","content":null,"tool_calls":[{"id":"a","function":{"name":"f"}}]})",
           R"({"role":"assistant","function_call":{"name":"f","arguments":"{}"}})",
           R"({"role":"tool","tool_call_id":"a","content":"1"})",
           R"({"role":"function","name":"f","content":"1"})",
       }) {
    EXPECT_EQ(chat_problem("\"messages\":[" + message + "]").status, 200) << message;
  }
}

TEST(OpenAiRules, AnUnknownKindIsNamed) {
  EXPECT_EQ(with_hi(R"("tools":[{"type":"web"}])").param, "tools[0].type");
  const ApiProblem choice =
      with_hi(R"("tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto"}})");
  EXPECT_EQ(choice.param, "tool_choice.type");
  EXPECT_NE(choice.message.find("allowed_tools"), std::string::npos) << choice.message;
  EXPECT_EQ(with_hi(R"("tools":[{"type":"function"}])").param, "tools[0].function");
}

TEST(OpenAiRules, ANumberThatIsTooLargeIsToldItsRange) {
  const ApiProblem seed = with_hi(R"("seed":1208925819614629174706176)");
  EXPECT_EQ(seed.param, "seed");
  EXPECT_NE(seed.message.find("-9223372036854775808 to 18446744073709551615"), std::string::npos)
      << seed.message;
  EXPECT_EQ(with_hi(R"("seed":1e16)").status, 200);
  EXPECT_EQ(with_hi(R"("seed":18446744073709551616)").status, 400);
  Request largest = OpenAiDecoder().chat("{" + kHi + R"(,"seed":18446744073709551615})");
  EXPECT_EQ(text_of(largest).sampling.seed, 18446744073709551615u);
  Request negative = OpenAiDecoder().chat("{" + kHi + R"(,"seed":-1})");
  EXPECT_EQ(text_of(negative).sampling.seed, 18446744073709551615u);
  EXPECT_EQ(with_hi(R"("seed":1.5)").code, "invalid_type");
  EXPECT_EQ(problem_of_reading([] { OpenAiDecoder().detokenize(R"({"tokens":[1e300]})"); }).status, 400);
}

TEST(OpenAiRules, ARequestsIdIsPrintable) {
  EXPECT_EQ(with_hi(R"("request_id":"a-1.b:c/d")").status, 200);
  for (const std::string id : {R"(a\r\nX-Evil: 1)", "a b", R"(\u007f)", "\xc3\xa9"}) {
    EXPECT_EQ(with_hi("\"request_id\":\"" + id + "\"").param, "request_id") << id;
    EXPECT_EQ(with_hi("\"rid\":\"" + id + "\"").param, "rid") << id;
  }
}

TEST(OpenAiRules, PromptsAreCutToTheContextByMinusOne) {
  Request request = OpenAiDecoder().chat("{" + kHi + R"(,"truncate_prompt_tokens":-1})");
  EXPECT_EQ(text_of(request).truncate_prompt_tokens, -1);
  EXPECT_EQ(with_hi(R"("truncate_prompt_tokens":0)").status, 400);
  EXPECT_EQ(with_hi(R"("truncate_prompt_tokens":-2)").status, 400);
}

TEST(OpenAiRules, JsonWithoutWhitespaceIsOnRequest) {
  const auto compact = [](const std::string& fields) {
    Request request = OpenAiDecoder().chat("{" + kHi + ",\"structured_outputs\":{" + fields + "}}");
    return text_of(request).output.compact;
  };
  EXPECT_TRUE(compact(R"("json_object":true,"disable_any_whitespace":true)"));
  EXPECT_FALSE(compact(R"("json_object":true,"disable_any_whitespace":false)"));
  EXPECT_FALSE(compact(R"("json_object":true)"));
}

}  // namespace
}  // namespace oag
