#include "llm/text/grammar.h"

#include <gtest/gtest.h>
#include "llm/text/grammar_matcher.h"
namespace oag {
namespace {
TEST(Grammar, Smoke) {
  auto v = GrammarVocabulary::create({"a", "b", "{", "}", "\"", "<e>"}, {5});
  GrammarMatcher m(CompiledGrammar::create(Grammar::any_json_object(), v));
  EXPECT_TRUE(m.accept_bytes("{\"a\": [1, 2.5e3, {\"b\":null}]}"));
  EXPECT_TRUE(m.complete());
}
}  // namespace
}  // namespace oag
