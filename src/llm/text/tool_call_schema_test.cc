#include <gtest/gtest.h>

#include "llm/text/answer_parser.h"
#include "llm/text/grammar_matcher.h"

namespace oag {
namespace {

std::shared_ptr<const GrammarVocabulary> two_tokens() {
  return GrammarVocabulary::create({"a", ""}, {1});
}

bool allows(const Json& schema, std::string_view text) {
  GrammarMatcher matcher(CompiledGrammar::create(Grammar::from_json_schema(schema, "tools"), two_tokens()));
  return matcher.accept_bytes(text) && matcher.may_end();
}

Json tool(const std::string& name, const std::string& parameters) {
  return {{"type", "function"}, {"function", {{"name", name}, {"parameters", Json::parse(parameters)}}}};
}

TEST(ToolCallSchema, ReferencesOfEachToolLeadToItsOwnSchema) {
  const std::string form =
      R"({"type":"object","properties":{"x":{"$ref":"#/$defs/T"}},"required":["x"],"additionalProperties":false,"$defs":{"T":)";
  const Json tools = {tool("a", form + R"({"enum":["one"]}}})"), tool("b", form + R"({"enum":[2]}}})")};
  const Json schema = tool_call_schema(tools, "", false);
  EXPECT_TRUE(allows(schema, R"({"name":"a","arguments":{"x":"one"}})"));
  EXPECT_TRUE(allows(schema, R"({"name":"b","arguments":{"x":2}})"));
  EXPECT_FALSE(allows(schema, R"({"name":"a","arguments":{"x":2}})"));
  EXPECT_FALSE(allows(schema, R"({"name":"b","arguments":{"x":"one"}})"));
}

TEST(ToolCallSchema, OlderDefinitionsPropertiesAndTheRootAreReferredTo) {
  const Json tools = Json::array({tool("a", R"({"type":"object","additionalProperties":false,"properties":{
        "d":{"$ref":"#/definitions/D"},"p":{"$ref":"#/properties/d"},"r":{"$ref":"#"}},
        "definitions":{"D":{"const":"d"}}})")});
  for (const bool several : {false, true}) {
    const Json schema = tool_call_schema(tools, several ? "" : "a", several);
    const auto call = [&](const std::string& arguments) {
      const std::string one = R"({"name":"a","arguments":)" + arguments + "}";
      return several ? "[" + one + "," + one + "]" : one;
    };
    EXPECT_TRUE(allows(schema, call(R"({"d":"d","p":"d","r":{"r":{"d":"d"}}})")));
    EXPECT_FALSE(allows(schema, call(R"({"d":"e"})")));
    EXPECT_FALSE(allows(schema, call(R"({"r":{"name":"a"}})")));
  }
}

TEST(ToolCallSchema, ValuesThatLookLikeReferencesStay) {
  const Json tools = Json::array({tool(
      "a",
      R"({"type":"object","additionalProperties":false,"properties":{"$ref":{"const":{"$ref":"#"}}}})")});
  EXPECT_TRUE(
      allows(tool_call_schema(tools, "", false), R"({"name":"a","arguments":{"$ref":{"$ref":"#"}}})"));
}

TEST(MarkedCalls, AreHeldToTheSchemaBetweenTheirMarks) {
  const Json schema = Json::parse(R"({"type":"object","properties":{"x":{"const":1}},"required":["x"],
                                      "additionalProperties":false})");
  const auto allows_calls = [&](const Grammar::Marks& marks, std::string_view text) {
    GrammarMatcher matcher(
        CompiledGrammar::create(Grammar::from_marked_json(schema, marks, "tools"), two_tokens()));
    return matcher.accept_bytes(text) && matcher.may_end();
  };
  const Grammar::Marks one{"<c>", "</c>", false}, several{"<c>", "</c>", true}, list{"[C]", "", false};
  EXPECT_TRUE(allows_calls(one, "\n{\"x\": 1}\n</c>"));
  EXPECT_FALSE(allows_calls(one, "{\"x\": 2}</c>"));
  EXPECT_FALSE(allows_calls(one, "{\"x\": 1}"));
  EXPECT_FALSE(allows_calls(one, "{\"x\": 1}</c>\n<c>{\"x\": 1}</c>"));
  EXPECT_TRUE(allows_calls(several, "{\"x\": 1}</c>\n<c>{\"x\": 1}</c>"));
  EXPECT_TRUE(allows_calls(list, " {\"x\": 1}"));
}

}  // namespace
}  // namespace oag
