#include "service/protocol/openai_encode.h"

#include <gtest/gtest.h>

namespace oag {
namespace {

TEST(OpenAiEncode, TokensOfACompletionThatAreNoCharactersAreNamedByTheirBytes) {
  AnswerHead head{"cmpl-1", "m", 0, false, false, true};
  AnswerDelta delta;
  delta.text = "x";
  TokenLogprob& logprob = delta.logprobs.emplace_back();
  logprob.token = {1, "\xF0\x9F", -0.5f};
  logprob.top = {logprob.token, {2, "\xF0", -1.5f}, {3, "x", -2.0f}};
  const Json answer = openai_answer(head, std::vector{delta}, {}, {});
  const Json& logprobs = answer["choices"][0]["logprobs"];
  EXPECT_EQ(logprobs["tokens"], Json::array({"bytes:\\xf0\\x9f"}));
  ASSERT_EQ(logprobs["top_logprobs"][0].size(), 3u);
  EXPECT_EQ(logprobs["top_logprobs"][0]["bytes:\\xf0"], -1.5);
  EXPECT_EQ(logprobs["top_logprobs"][0]["x"], -2);
}

}  // namespace
}  // namespace oag
