#include "service/protocol/openai_encode.h"

#include <gtest/gtest.h>

namespace oag {
namespace {

AnswerHead completion_with_logprobs() {
  AnswerHead head;
  head.chat = false;
  head.logprobs = true;
  return head;
}

// A piece of a choice whose tokens are these texts.
AnswerDelta piece_of(int64_t choice, const std::vector<std::string>& tokens) {
  AnswerDelta delta;
  delta.choice = choice;
  for (const std::string& token : tokens) delta.logprobs.push_back({{1, token, -0.5f}, {}});
  return delta;
}

std::vector<int64_t> offsets_of(const Json& answer) {
  return answer["choices"][0]["logprobs"]["text_offset"];
}

using Offsets = std::vector<int64_t>;

// As OpenAI's clients read it: text[offset:] begins with the token.
TEST(OpenAiEncode, TextOffsetsOfAStreamGoOnFromChunkToChunk) {
  OpenAiStream stream(completion_with_logprobs(), false);
  EXPECT_EQ(offsets_of(Json::parse(stream.piece(piece_of(0, {"The", " cat"})))), (Offsets{0, 3}));
  EXPECT_EQ(offsets_of(Json::parse(stream.piece(piece_of(1, {"A"})))), (Offsets{0}));
  EXPECT_EQ(offsets_of(Json::parse(stream.piece(piece_of(0, {" sat"})))), (Offsets{7}));
  EXPECT_EQ(offsets_of(Json::parse(stream.piece(piece_of(1, {" dog", "."})))), (Offsets{1, 5}));
  EXPECT_EQ(offsets_of(Json::parse(stream.piece(piece_of(0, {"."})))), (Offsets{11}));
}

TEST(OpenAiEncode, TextOffsetsCountCharactersAndNotBytes) {
  // The second token is the first half of a character, which the third one completes.
  const std::vector<std::string> tokens = {"\u4f60", "\xe5", "\xa5\xbd", "!"};
  AnswerDelta whole = piece_of(0, tokens);
  whole.finish_reason = "stop";
  const std::vector<AnswerDelta> choices = {whole};
  EXPECT_EQ(offsets_of(openai_answer(completion_with_logprobs(), choices, {}, {})), (Offsets{0, 1, 2, 2}));
  OpenAiStream stream(completion_with_logprobs(), false);
  Offsets streamed;
  for (const std::string& token : tokens)
    streamed.push_back(offsets_of(Json::parse(stream.piece(piece_of(0, {token})))).at(0));
  EXPECT_EQ(streamed, (Offsets{0, 1, 2, 2}));
}

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

// Both are read as the same document, whose members have no order.
TEST(OpenAiEncode, TheTextOfAnAnswerIsItsTree) {
  for (const bool chat : {false, true}) {
    for (const bool logprobs : {false, true}) {
      AnswerHead head = completion_with_logprobs();
      head.id = "a \"quoted\" id";
      head.model = "m";
      head.chat = chat;
      head.logprobs = logprobs;
      head.return_token_ids = true;
      std::vector<AnswerDelta> choices = {piece_of(0, {"a", "\xe5"}), piece_of(1, {})};
      choices[0].text = "a\n";
      choices[0].token_ids = {1, 2};
      choices[0].logprobs[0].top = {{1, "a", -0.5f}, {2, "b", -1.5f}};
      choices[1].tool_calls = {{0, "call", "f", "{}"}};
      const AnswerUsage usage{3, 4, 1, 0};
      const AnswerTimings timings{1, 2, 3, 4, 5};
      const std::string tree =
          openai_answer(head, choices, usage, timings).dump(-1, ' ', false, Json::error_handler_t::replace);
      EXPECT_EQ(nlohmann::json::parse(openai_answer_text(head, choices, usage, timings)),
                nlohmann::json::parse(tree));
    }
  }
}

}  // namespace
}  // namespace oag
