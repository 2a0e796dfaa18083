#include "service/serve/text_answer.h"

#include <gtest/gtest.h>

#include "service/serve/serve_test_model.h"

namespace oag {
namespace {

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

}  // namespace
}  // namespace oag
