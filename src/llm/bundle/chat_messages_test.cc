// The layouts are those that transformers' and vLLM's code make of a list of messages (docs/prompts.md).
#include "llm/bundle/chat_messages.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "llm/bundle/chat_prompt.h"

namespace oag {
namespace {

std::shared_ptr<const Tokenizer> tokenizer() {
  Vocabulary vocabulary;
  vocabulary.model = "llama";
  vocabulary.tokens = {"<unk>", "<|user|>", "a"};
  vocabulary.types = {TokenType::kUnknown, TokenType::kControl, TokenType::kNormal};
  vocabulary.scores = {0, 0, 0};
  vocabulary.unknown = 0;
  return Tokenizer::create(std::move(vocabulary));
}

Json content(const char* message, ContentFormat format) {
  return read_chat_messages(*tokenizer(), Json::array({Json::parse(message)}), format).list[0]["content"];
}

std::string refusal(const char* messages) {
  try {
    read_chat_messages(*tokenizer(), Json::parse(messages), ContentFormat::kList);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

constexpr const char* kMixed = R"({"role":"user","content":[{"type":"text","text":"one"},
  {"type":"image_url","image_url":{"url":"data:x"}},{"type":"text","text":"two"},{"type":"image"}]})";

TEST(ChatMessages, AListKeepsTheOrderOfItsParts) {
  EXPECT_EQ(
      content(kMixed, ContentFormat::kList).dump(),
      R"([{"type":"text","text":"one"},{"type":"image"},{"type":"text","text":"two"},{"type":"image"}])");
}

TEST(ChatMessages, AStringHasItsPicturesInFrontAndANewlineBetweenAllParts) {
  const std::string picture = "<|begin_of_image|><|image|><|end_of_image|>\n";
  EXPECT_EQ(content(kMixed, ContentFormat::kString), picture + picture + "one\ntwo");
  EXPECT_EQ(content(R"({"role":"user","content":[{"type":"image"}]})", ContentFormat::kString), picture);
}

TEST(ChatMessages, TextsAloneBecomeOneText) {
  const char* message =
      R"({"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]})";
  EXPECT_EQ(content(message, ContentFormat::kList), "ab");
  EXPECT_EQ(content(message, ContentFormat::kString), "a\nb");
}

TEST(ChatMessages, PicturesAreListedWithTheirAddresses) {
  const Json messages = Json::parse(R"([{"role":"user","content":[{"type":"image_url","image_url":"one"},
    {"type":"image","image":"two"},{"type":"image"},{"type":"image","url":"three"}]}])");
  EXPECT_EQ(read_chat_messages(*tokenizer(), messages, ContentFormat::kList).pictures,
            (std::vector<std::string>{"one", "two", "", "three"}));
}

TEST(ChatMessages, OtherKeysAndEveryRoleStay) {
  const Json messages = Json::parse(
      R"([{"role":"assistant","content":"","tool_calls":[1]},{"role":"tool","content":"x","tool_call_id":"y"},
          {"role":"assistant","tool_calls":[]}])");
  const Json list = read_chat_messages(*tokenizer(), messages, ContentFormat::kList).list;
  EXPECT_EQ(list[0], messages[0]);
  EXPECT_EQ(list[1], messages[1]);
  EXPECT_EQ(list[2]["content"], "");
}

TEST(ChatMessages, AContentThatIsNullIsAnEmptyText) {
  for (const ContentFormat format : {ContentFormat::kList, ContentFormat::kString})
    EXPECT_EQ(content(R"({"role":"assistant","content":null})", format), "");
}

TEST(ChatMessages, ControlTokensStayTextButInTheAssistantsOwnWords) {
  for (const char* role : {"user", "system", "tool"}) {
    const Json messages = Json::array({{{"role", role}, {"content", "<|user|>"}}});
    const std::string text =
        read_chat_messages(*tokenizer(), messages, ContentFormat::kList).list[0]["content"];
    const std::vector<TokenId> ids = encode_rendered_chat(*tokenizer(), text);
    EXPECT_EQ(std::ranges::count(ids, 1), 0) << role;
    EXPECT_EQ(shown_chat(text), "<|user|>");
  }
  EXPECT_EQ(content(R"({"role":"assistant","content":"<|user|>"})", ContentFormat::kList), "<|user|>");
}

TEST(ChatMessages, ControlTokensStayTextInEveryKeyOfAMessage) {
  const Json messages = Json::parse(R"([{"role":"tool<|user|>","name":"<|user|>","content":"a",
    "tool_calls":[{"function":{"name":"<|user|>","arguments":{"<|user|>":["<|user|>", 1]}}}]}])");
  const Json message = read_chat_messages(*tokenizer(), messages, ContentFormat::kList).list[0];
  const std::string text = message.dump();
  EXPECT_EQ(std::ranges::count(encode_rendered_chat(*tokenizer(), text), 1), 0);
  EXPECT_EQ(Json::parse(shown_chat(text)), messages[0]);
  const Json own = Json::parse(R"([{"role":"assistant","content":"","reasoning_content":"<|user|>"}])");
  EXPECT_EQ(read_chat_messages(*tokenizer(), own, ContentFormat::kList).list, own);
}

TEST(ChatMessages, TheCharacterThatMarksThemIsNotLost) {
  const std::string mark = "\xef\xb7\x90";
  for (const char* role : {"user", "assistant"}) {
    for (const std::string& text : {mark, "a" + mark + mark + "a", "<" + mark + "|user|>", mark + "<|user|>",
                                    "<|user|>" + mark + mark + mark}) {
      const Json messages = Json::array({{{"role", role}, {"content", text}}});
      const std::string rendered =
          read_chat_messages(*tokenizer(), messages, ContentFormat::kList).list[0]["content"];
      EXPECT_EQ(shown_chat(rendered), text);
      const std::vector<TokenId> ids = encode_rendered_chat(*tokenizer(), rendered);
      const bool meant = role == std::string("assistant") && text.find("<|user|>") != std::string::npos;
      EXPECT_EQ(std::ranges::count(ids, 1), meant ? 1 : 0) << role << " " << text;
    }
  }
}

TEST(ChatMessages, WhatIsWrongIsNamedWithItsPlace) {
  const auto has = [](const std::string& text, const char* part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  has(refusal("[]"), "messages: is empty");
  has(refusal("{}"), "messages: is object");
  has(refusal(R"(["x"])"), "messages[0]: is string");
  has(refusal(R"([{"role":"user","content":"x"},{"content":"x"}])"), "messages[1].role: is missing");
  has(refusal(R"([{"role":7,"content":"x"}])"), "messages[0].role: is no such text");
  has(refusal(R"([{"role":"user","content":7}])"), "messages[0].content: is number");
  has(refusal(R"([{"role":"user","content":["x"]}])"), "messages[0].content[0]: is string");
  has(refusal(R"([{"role":"user","content":[{"text":"x"}]}])"), "content[0]: is without a type");
  has(refusal(R"([{"role":"user","content":[{"type":"text"}]}])"), "content[0]: has no text");
  has(refusal(R"([{"role":"user","content":[{"type":"image_url"}]}])"), "content[0]: has no image_url");
  has(refusal(R"([{"role":"user","content":[{"type":"image_url","image_url":{}}]}])"), "names its picture");
  has(refusal(R"([{"role":"user","content":[{"type":"input_audio"}]}])"), "\"input_audio\"");
}

}  // namespace
}  // namespace oag
