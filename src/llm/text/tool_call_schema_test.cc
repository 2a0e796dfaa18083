#include <gtest/gtest.h>

#include "llm/text/answer_parser.h"
#include "llm/text/grammar_matcher.h"

namespace oag {
namespace {

// Each byte is a token, the last one ends.
std::shared_ptr<const GrammarVocabulary> bytes_vocabulary() {
  Vocabulary vocabulary;
  vocabulary.model = "gpt2";
  for (char c = ' '; c < 127; ++c) vocabulary.tokens.push_back(c == ' ' ? "\xC4\xA0" : std::string(1, c));
  vocabulary.types.assign(vocabulary.tokens.size(), TokenType::kNormal);
  vocabulary.tokens.emplace_back("<end>");
  vocabulary.types.push_back(TokenType::kControl);
  vocabulary.eos = static_cast<TokenId>(vocabulary.tokens.size()) - 1;
  return GrammarVocabulary::create(*Tokenizer::create(std::move(vocabulary)));
}

bool allows(const Json& schema, std::string_view text) {
  static const auto vocabulary = bytes_vocabulary();
  GrammarMatcher matcher(CompiledGrammar::create(Grammar::from_json_schema(schema, "tools"), vocabulary));
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
  const Json tools = {tool("a", R"({"type":"object","additionalProperties":false,"properties":{
        "d":{"$ref":"#/definitions/D"},"p":{"$ref":"#/properties/d"},"r":{"$ref":"#"}},
        "definitions":{"D":{"const":"d"}}})")};
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
  const Json tools = {tool(
      "a", R"({"type":"object","additionalProperties":false,"properties":{"$ref":{"const":{"$ref":"#"}}}})")};
  EXPECT_TRUE(
      allows(tool_call_schema(tools, "", false), R"({"name":"a","arguments":{"$ref":{"$ref":"#"}}})"));
}

}  // namespace
}  // namespace oag
