#include "service/serve/generation_options.h"

#include <gtest/gtest.h>

#include "tests/tiny_service.h"

namespace oag {
namespace {

using testing::kPlainTemplate;
using testing::TinyModels;

constexpr std::string_view kFunction =
    R"({"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}}})";

Request chat(const std::string& fields) {
  return OpenAiDecoder().chat(R"({"messages":[{"role":"user","content":"Hi"}])" + fields + "}");
}

ApiProblem problem_of_plan(const Request& request, ServedModel& model) {
  try {
    AnswerPlan(request, model, "");
  } catch (const Error& error) {
    return problem_of(error);
  }
  return {200, "", "", "", "", 0};
}

// Takes a text letter by letter; how many of its bytes fit.
size_t accepted(TokenConstraint& constraint, const Tokenizer& tokenizer, std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto ids = tokenizer.encode(text.substr(i, 1), {.parse_special = false, .add_special = false});
    if (ids.size() != 1 || !constraint.accept(ids[0])) return i;
  }
  return text.size();
}

TEST(AnswerPlan, HoldsCallsOfStrictFunctionsToTheirSchema) {
  TinyModels models;
  const auto model = models.load();
  const AnswerPlan plan(chat(R"(,"tools":[)" + std::string(kFunction) + "]"), *model, "");
  const std::string good =
      "I look. <tool_call>\n{\"name\": \"f\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>";
  EXPECT_EQ(accepted(*plan.answer(0).constraint, *model->tokenizer(), good), good.size());
  const std::string bad = "<tool_call>{\"name\": \"f\", \"arguments\": {\"zzz\"";
  EXPECT_EQ(accepted(*plan.answer(0).constraint, *model->tokenizer(), bad), bad.find("zzz"));
  EXPECT_EQ(plan.answer(0).constraint == plan.answer(1).constraint, false);
  const AnswerPlan loose(chat(R"(,"tools":[{"type":"function","function":{"name":"f"}}])"), *model, "");
  EXPECT_EQ(loose.answer(0).constraint, nullptr);
}

TEST(AnswerPlan, RefusesStrictFunctionsInFormsThatItCannotHold) {
  TinyModels models;
  const auto model = models.load("llama", "{{ tools }}<arg_key>");
  const std::string tools =
      R"(,"tools":[{"type":"function","function":{"name":"e"}},)" + std::string(kFunction) + "]";
  EXPECT_EQ(problem_of_plan(chat(tools), *model).param, "tools[1].function.strict");
  EXPECT_EQ(problem_of_plan(chat(tools + R"(,"tool_choice":"required")"), *model).status, 200);
  EXPECT_EQ(problem_of_plan(chat(tools + R"(,"tool_choice":"none")"), *model).status, 200);
}

TEST(AnswerPlan, NamesThePlaceOfAKeywordThatItCannotEnforce) {
  TinyModels models;
  const auto model = models.load();
  const std::string tools =
      R"(,"tools":[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"b","strict":true,"parameters":{"properties":{"x":{"multipleOf":2}}}}}])";
  for (const std::string choice : {R"(,"tool_choice":"required")", ""}) {
    const ApiProblem problem = problem_of_plan(chat(tools + choice), *model);
    EXPECT_EQ(problem.status, 400);
    EXPECT_EQ(problem.param, "tools[1].function.parameters/properties/x") << problem.message;
  }
}

TEST(AnswerPlan, LimitsThoughtsThatAreOpen) {
  TinyModels models;
  const std::string budget = R"(,"thinking_token_budget":5)";
  // Knows nothing of thoughts.
  ModelSettings settings = testing::small_settings();
  settings.thinking_budget = 5;
  const auto plain = models.load("llama", kPlainTemplate, settings);
  EXPECT_EQ(problem_of_plan(chat(budget), *plain).param, "thinking_token_budget");
  EXPECT_FALSE(AnswerPlan(chat(""), *plain, "user:Hi;").answer(0).thinking.has_value());
  // Thinks between marks.
  const auto thinks = models.load("llama", "{# <think></think> #}x", settings);
  EXPECT_EQ(AnswerPlan(chat(""), *thinks, "user:Hi;").answer(0).thinking->begin, "<think>");
  EXPECT_EQ(AnswerPlan(chat(""), *thinks, "<think>\n\n</think>\n").answer(0).thinking->begin, "<think>");
  EXPECT_EQ(AnswerPlan(chat(budget), *thinks, "user:Hi;<think>\n").answer(0).thinking->begin, "");
  EXPECT_FALSE(AnswerPlan(chat(R"(,"response_format":{"type":"json_object"})"), *thinks, "<think>")
                   .answer(0)
                   .thinking.has_value());
  // Thinks until <answer>.
  const auto agent = models.load("glm4", kPlainTemplate, settings);
  EXPECT_EQ(AnswerPlan(chat(""), *agent, "user:Hi;").answer(0).thinking->begin, "");
  EXPECT_EQ(AnswerPlan(chat(""), *agent, "<think></think>").answer(0).thinking->begin, "<think>");
}

}  // namespace
}  // namespace oag
