#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "llm/text/grammar.h"
#include "llm/text/grammar_matcher.h"

namespace oag {
namespace {

bool takes(const std::shared_ptr<const Grammar>& grammar, std::string_view text) {
  GrammarMatcher matcher(CompiledGrammar::create(grammar, GrammarVocabulary::create({"a", ""}, {1})));
  return matcher.accept_bytes(text) && matcher.may_end();
}

// {"a": [1, 2], "b": {}} as Python's json.dumps writes it: plain, with separators=(",", ":"), with indent=2,
// with indent=2 in JavaScript's JSON.stringify (the same), with indent="\t".
constexpr std::string_view kPrinted[] = {R"({"a": [1, 2], "b": {}})", R"({"a":[1,2],"b":{}})",
                                         "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {}\n}",
                                         "{\n\t\"a\": [\n\t\t1,\n\t\t2\n\t],\n\t\"b\": {}\n}"};
constexpr std::string_view kWasteful[] = {
    "{\"a\" :[1,2],\"b\":{}}",    "{\"a\"\n:[1,2],\"b\":{}}",   "{\"a\":\n[1,2],\"b\":{}}",
    "{\"a\":  [1,2],\"b\":{}}",   "{\"a\":[1 ,2],\"b\":{}}",    "{\"a\":[1\n,2],\"b\":{}}",
    "{\"a\":[1,2] ,\"b\":{}}",    "{\n\n\"a\":[1,2],\"b\":{}}", "{\"a\":[1,2],\n\n\"b\":{}}",
    "{\"a\":[1,\n\n2],\"b\":{}}", "{\"a\":[1,2],\"b\":{}\n\n}", "{\"a\":[1,2],\"b\":{}} "};

const Json kSchemas[] = {
    {{"type", "object"},
     {"properties",
      {{"a", {{"type", "array"}, {"items", {{"type", "integer"}}}}},
       {"b", {{"type", "object"}, {"additionalProperties", false}}}}},
     {"required", {"a", "b"}},
     {"additionalProperties", false}},
    {{"type", "object"}},
    {{"type", "object"}, {"properties", {{"a", {{"prefixItems", {true, true}}}}}}},
    {{"const", {{"a", {1, 2}}, {"b", Json::object()}}}},
};

TEST(JsonWhitespace, StandsWherePrettyPrintersPutIt) {
  for (const Json& schema : kSchemas) {
    const auto grammar = Grammar::from_json_schema(schema);
    for (const std::string_view text : kPrinted) EXPECT_TRUE(takes(grammar, text)) << schema << " " << text;
    for (const std::string_view text : kWasteful) EXPECT_FALSE(takes(grammar, text)) << schema << " " << text;
  }
}

TEST(JsonWhitespace, CompactHasNone) {
  for (const Json& schema : kSchemas) {
    const auto grammar = Grammar::from_json_schema(schema, "schema", JsonWhitespace::kCompact);
    for (const std::string_view text : kPrinted)
      EXPECT_EQ(takes(grammar, text), text == kPrinted[1]) << schema << " " << text;
  }
}

}  // namespace
}  // namespace oag
