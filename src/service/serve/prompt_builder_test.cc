#include "service/serve/prompt_builder.h"

#include <gtest/gtest.h>

#include "service/protocol/request_error.h"
#include "tests/tiny_service.h"

namespace oag {
namespace {

using testing::kPlainTemplate;
using testing::TinyModels;

class PromptBuilder : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    models_ = std::make_unique<TinyModels>();
    model_ = models_->load();
  }
  static void TearDownTestSuite() {
    model_.reset();
    models_.reset();
  }

  static Prompt chat(const Json& messages, const Json& more = Json::object()) {
    Json body = {{"messages", messages}};
    body.update(more);
    Request request = OpenAiDecoder().chat(body.dump());
    return chat_prompt(*model_, request);
  }
  static std::string text(const Json& messages, const Json& more = Json::object()) {
    return chat(messages, more).text;
  }
  static ApiProblem problem_of_chat(const Json& messages, const Json& more) {
    try {
      chat(messages, more);
    } catch (const Error& error) {
      return problem_of(error);
    }
    return {200, "", "", "", "", 0};
  }

  static std::unique_ptr<TinyModels> models_;
  static std::shared_ptr<ServedModel> model_;
};

std::unique_ptr<TinyModels> PromptBuilder::models_;
std::shared_ptr<ServedModel> PromptBuilder::model_;

Json message(const std::string& role, const Json& content) {
  return {{"role", role}, {"content", content}};
}
Json parts(const std::string& text) {
  return Json::array({{{"type", "text"}, {"text", text}}});
}

TEST_F(PromptBuilder, ContinuesTheLastMessageWhateverStandsBehindIt) {
  const Json more = {{"add_generation_prompt", false}, {"continue_final_message", true}};
  for (const std::string last : {"Z", "e", ";", "assistant:", "end", "user:Hi", "a  ", ""}) {
    const Json messages = {message("user", "Hi"), message("assistant", last)};
    EXPECT_EQ(text(messages, more), "user:Hi;assistant:" + last);
    const Json in_parts = {message("user", "Hi"), message("assistant", parts(last))};
    EXPECT_EQ(text(in_parts, more), "user:Hi;assistant:" + last);
  }
}

TEST_F(PromptBuilder, WritesCallsAndTheirResultsWhereTheTemplateKnowsNone) {
  const Json calls =
      Json::parse(R"([{"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}])");
  const std::string call = "<tool_call>\n{\"name\":\"f\",\"arguments\":{\"a\":1}}\n</tool_call>";
  const auto with_calls = [&](const Json& content) {
    Json out = message("assistant", content);
    out["tool_calls"] = calls;
    return Json::array({message("user", "Hi"), out});
  };
  EXPECT_EQ(text(with_calls(nullptr)), "user:Hi;assistant:" + call + ";assistant:");
  EXPECT_EQ(text(with_calls("I look.")), "user:Hi;assistant:I look.\n" + call + ";assistant:");
  EXPECT_EQ(text(with_calls(parts("I look."))), "user:Hi;assistant:I look.\n" + call + ";assistant:");
  for (const auto& [role, key] : {std::pair("tool", "tool_call_id"), std::pair("function", "name")}) {
    for (const Json& content : {Json("sunny"), parts("sunny")}) {
      Json result = message(role, content);
      result[key] = "1";
      EXPECT_EQ(text(Json::array({result})), "user:<tool_response>\nsunny\n</tool_response>;assistant:");
    }
  }
}

TEST_F(PromptBuilder, TakesArgumentsOfEarlierCallsHoweverDeepOrWideTheyAre) {
  std::string deep, wide = "{";
  for (int i = 0; i < 200'000; ++i) deep += "{\"a\":";
  for (int i = 0; i < 100'000; ++i) wide += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\":0";
  for (const std::string& arguments : {deep + "1" + std::string(200'000, '}'), wide + "}"}) {
    Json call = message("assistant", "a");
    call["tool_calls"] =
        Json::array({{{"id", "1"}, {"function", {{"name", "f"}, {"arguments", arguments}}}}});
    Json old = message("assistant", "a");
    old["function_call"] = {{"name", "f"}, {"arguments", arguments}};
    for (const Json& one : {call, old}) {
      const Json more = {{"truncate_prompt_tokens", 8}};
      EXPECT_EQ(chat(Json::array({message("user", "Hi"), one}), more).tokens.size(), 8u);
    }
  }
}

TEST_F(PromptBuilder, ContinuesATextOfNothingButTheMarkItLooksFor) {
  std::string marks;
  for (int i = 0; i < 300'000; ++i) marks += "\xEF\xB7\x91";
  const Json more = {
      {"add_generation_prompt", false}, {"continue_final_message", true}, {"truncate_prompt_tokens", 8}};
  EXPECT_TRUE(text(Json::array({message("assistant", marks)}), more).ends_with(marks.substr(0, 300)));
}

TEST_F(PromptBuilder, TheCallOfAnOldMessageIsACall) {
  Json old = message("assistant", nullptr);
  old["function_call"] = {{"name", "f"}, {"arguments", "{}"}};
  EXPECT_EQ(text(Json::array({message("user", "Hi"), old})),
            "user:Hi;assistant:<tool_call>\n{\"name\":\"f\",\"arguments\":{}}\n</tool_call>;assistant:");
}

TEST_F(PromptBuilder, ToolsAreDescribedInTheSystemMessageThatIsThere) {
  const Json tools = {{"tools", {{{"type", "function"}, {"function", {{"name", "f"}}}}}}};
  for (const Json& content : {Json("Be kind."), parts("Be kind.")}) {
    const std::string shown = text(Json::array({message("system", content), message("user", "Hi")}), tools);
    EXPECT_TRUE(shown.starts_with("system:Be kind.\n\nYou can call")) << shown;
    EXPECT_EQ(shown.find("system:", 1), std::string::npos) << shown;
  }
}

TEST_F(PromptBuilder, KeepsTheEndOfAPromptThatIsFarTooLong) {
  std::string words;
  for (int i = 0; i < 200'000; ++i) words += "word ";
  const std::string last = "the end of it";
  const Prompt whole = chat(Json::array({message("user", last)}));
  const Json five = {{"truncate_prompt_tokens", 5}};
  EXPECT_EQ(chat(Json::array({message("user", words + last)}), five).tokens,
            (std::vector<TokenId>(whole.tokens.end() - 5, whole.tokens.end())));
  Request request =
      OpenAiDecoder().completion(Json{{"prompt", words + last}, {"truncate_prompt_tokens", 5}}.dump());
  const auto prompts = completion_prompts(*model_, std::get<TextRequest>(request.payload));
  const std::vector<TokenId> ids = model_->tokenizer()->encode("word " + last);
  EXPECT_EQ(prompts.front().tokens, (std::vector<TokenId>(ids.end() - 5, ids.end())));
}

TEST_F(PromptBuilder, ALengthThatWasNotCountedIsALowerBound) {
  const ApiProblem problem =
      problem_of_chat(Json::array({message("user", std::string(1'000'000, 'a'))}), Json::object());
  EXPECT_EQ(problem.code, "context_length_exceeded");
  EXPECT_NE(problem.message.find("has at least "), std::string::npos) << problem.message;
  std::string words;
  for (int i = 0; i < 600; ++i) words += " a";
  const ApiProblem counted = problem_of_chat(Json::array({message("user", words)}), Json::object());
  EXPECT_EQ(counted.code, "context_length_exceeded");
  EXPECT_EQ(counted.message.find("at least 6"), std::string::npos) << counted.message;
}

TEST_F(PromptBuilder, TokenizeCountsWhatAChatReads) {
  const Json tools = Json::array({{{"type", "function"}, {"function", {{"name", "f"}}}}});
  const Json messages = Json::array({message("user", "Hi")});
  Request request = OpenAiDecoder().tokenize(Json{{"messages", messages}, {"tools", tools}}.dump());
  EXPECT_EQ(tokenize_messages(*model_, request), chat(messages, {{"tools", tools}}).tokens);
}

}  // namespace
}  // namespace oag
