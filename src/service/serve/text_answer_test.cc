#include "service/serve/text_answer.h"

#include <gtest/gtest.h>

#include "tests/tiny_service.h"

namespace oag {
namespace {

using testing::kPlainTemplate;
using testing::ServeTestServer;

TEST(TextAnswer, OptionsThatLeaveNoTokenAreABadRequestThatNamesThem) {
  ServeTestServer server;
  const std::pair<std::string, std::string> cases[] = {
      {R"({"allowed_token_ids":[300],"response_format":{"type":"json_object"}})", "allowed_token_ids"},
      {R"({"allowed_token_ids":[2],"min_tokens":3})", "allowed_token_ids"},
      {R"({"allowed_token_ids":[2],"min_tokens":3,"n":2})", "allowed_token_ids"},
      {R"({"bad_words":["a"],"structured_outputs":{"choice":["a"]}})", "bad_words"},
      {R"({"structured_outputs":{"regex":"[^\\u0000-\\uffff]x"},"allowed_token_ids":[300]})",
       "allowed_token_ids"},
  };
  for (const auto& [fields, param] : cases) {
    const auto answer = server.chat(Json::parse(fields));
    ASSERT_EQ(answer.status, 400) << fields << answer.body;
    const Json error = answer.json()["error"];
    EXPECT_EQ(error["type"], "invalid_request_error");
    EXPECT_EQ(error["param"], param) << error;
  }
}

TEST(TextAnswer, AStreamWithoutANextTokenEndsAsABadRequest) {
  ServeTestServer server;
  const auto answer = server.chat({{"allowed_token_ids", {2}}, {"min_tokens", 3}, {"stream", true}});
  EXPECT_NE(answer.body.find("invalid_request_error"), std::string::npos) << answer.body;
  EXPECT_EQ(answer.body.find("[DONE]"), std::string::npos);
}

// The answers of a random model are what a choice makes them.
Json with_answer(const std::string& answer, Json more) {
  more["structured_outputs"] = {{"choice", {answer}}};
  more["max_completion_tokens"] = 300;
  return more;
}

TEST(TextAnswer, WithoutParallelCallsItEndsWithTheFirst) {
  ServeTestServer server;
  const std::string call = "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>";
  Json more = {{"tools", {{{"type", "function"}, {"function", {{"name", "f"}}}}}}};
  const Json both = server.chat(with_answer(call + call, more)).json();
  EXPECT_EQ(both["choices"][0]["message"]["tool_calls"].size(), 2u);
  more["parallel_tool_calls"] = false;
  const Json one = server.chat(with_answer(call + call, more)).json();
  EXPECT_EQ(one["choices"][0]["message"]["tool_calls"].size(), 1u) << one;
  EXPECT_EQ(one["choices"][0]["finish_reason"], "tool_calls");
  EXPECT_LT(one["usage"]["completion_tokens"], both["usage"]["completion_tokens"]);
  more["stream"] = true;
  const auto stream = server.chat(with_answer(call + call, more));
  EXPECT_NE(stream.body.find("\"finish_reason\":\"tool_calls\""), std::string::npos) << stream.body;
  EXPECT_NE(stream.body.find("[DONE]"), std::string::npos);
}

TEST(TextAnswer, WhatHasToMatchIsContentWhateverThePromptHasOpened) {
  ServeTestServer server("llama", std::string(kPlainTemplate) + "<think>\n");
  const Json answer = server.chat(with_answer("yes indeed", {{"separate_reasoning", true}})).json();
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "yes indeed");
  EXPECT_FALSE(answer["choices"][0]["message"].contains("reasoning_content"));
}

TEST(TextAnswer, UsageInChunksCountsCachedTokens) {
  ServeTestServer server;
  Json messages = Json::array({{{"role", "user"}, {"content", ""}}});
  for (int i = 0; i < 60; ++i) messages[0]["content"] = messages[0]["content"].get<std::string>() + " word";
  const Json body = {{"messages", messages},
                     {"stream", true},
                     {"stream_options", {{"include_usage", true}, {"continuous_usage_stats", true}}}};
  server.chat(body);
  const auto again = server.chat(body);
  const size_t first = again.body.find("\"cached_tokens\":");
  ASSERT_NE(first, std::string::npos) << again.body;
  EXPECT_GT(std::atoi(again.body.c_str() + first + 16), 0) << again.body;
}

TEST(Tokens, WarnOfUnknownFields) {
  ServeTestServer server;
  EXPECT_NE(server.post("/tokenize", R"({"prompt":"x","foo":1})").header("X-OAG-Warning").find("foo"),
            std::string::npos);
  EXPECT_NE(server.post("/detokenize", R"({"tokens":[5],"foo":1})").header("X-OAG-Warning").find("foo"),
            std::string::npos);
  EXPECT_EQ(server.post("/tokenize", R"({"prompt":"x"})").header("X-OAG-Warning"), "");
}

TEST(Admin, MalformedJsonHasTheCodeThatItHasElsewhere) {
  ServeOptions options = ServeTestServer::default_options();
  options.admin_keys = {"secret"};
  ServeTestServer server("llama", kPlainTemplate, options);
  const auto answer = server.post("/admin/models/load", std::string("{"), "Authorization: Bearer secret\r\n");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.json()["error"]["code"], "invalid_json");
  EXPECT_EQ(answer.json()["error"]["param"], nullptr);
}

class Embeddings : public ::testing::Test {
 protected:
  Json vector_of(const Json& input) {
    return server_.post("/v1/embeddings", Json{{"input", input}}).json()["data"][0]["embedding"];
  }
  ServeTestServer server_{std::filesystem::path(OAG_SOURCE_DIR) / "tests/data/bert",
                          ServeTestServer::default_options()};
};

TEST_F(Embeddings, TooLongATextIsRefused) {
  std::string words;
  for (int i = 0; i < 5000; ++i) words += "word ";
  const auto answer = server_.post("/v1/embeddings", Json{{"input", words}});
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.json()["error"]["code"], "context_length_exceeded");
  EXPECT_EQ(answer.json()["error"]["param"], "input");
}

TEST_F(Embeddings, TokenIdsAreTakenAsTheyAre) {
  const auto model = server_.service().models().find("");
  const std::vector<TokenId> ids = model->embedder().encode("tap the screen");
  EXPECT_EQ(vector_of(ids), vector_of("tap the screen"));
  const std::vector<TokenId> inner(ids.begin() + 1, ids.end() - 1);
  EXPECT_NE(vector_of(inner), vector_of("tap the screen"));
  const auto zeros = server_.post("/v1/embeddings", R"({"input":[0,0,0,0],"foo":1})");
  EXPECT_EQ(zeros.json()["usage"]["prompt_tokens"], 4);
  EXPECT_NE(zeros.header("X-OAG-Warning").find("foo"), std::string::npos);
}

}  // namespace
}  // namespace oag
