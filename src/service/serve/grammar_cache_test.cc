#include "service/serve/grammar_cache.h"

#include <gtest/gtest.h>

#include "tests/tiny_generation.h"

namespace oag {
namespace {

StructuredOutput regex(const std::string& text) {
  StructuredOutput output;
  output.kind = StructuredOutput::Kind::kRegex;
  output.text = text;
  output.field = "regex";
  return output;
}

// Computes a mask, which the grammar keeps.
void use(const std::shared_ptr<CompiledGrammar>& grammar) {
  std::vector<uint32_t> bits(16);
  GrammarMatcher(grammar).mask(bits);
  EXPECT_GT(grammar->cached_bytes(), 0u);
}

TEST(GrammarCache, GivesTheSameGrammarForTheSameText) {
  GrammarCache cache(test::tiny_llama().tokenizer);
  const auto first = cache.find(regex("[ab]+"));
  use(first);
  EXPECT_NE(cache.find(regex("[abc]+")), first);
  EXPECT_EQ(cache.find(regex("[ab]+")), first);
}

TEST(GrammarCache, DropsWhatWasUsedLeastRecentlyWhenAllTakeTooMuchTogether) {
  const auto tokenizer = test::tiny_llama().tokenizer;
  const size_t one = [&] {
    GrammarCache cache(tokenizer);
    const auto grammar = cache.find(regex("a+"));
    use(grammar);
    return grammar->cached_bytes();
  }();
  GrammarCache cache(tokenizer, 2 * one + one / 2);
  const auto first = cache.find(regex("a+")), second = cache.find(regex("b+"));
  use(first);
  use(second);
  cache.find(regex("a+"));
  use(cache.find(regex("c+")));
  EXPECT_EQ(cache.find(regex("a+")), first);
  EXPECT_NE(cache.find(regex("b+")), second);
}

}  // namespace
}  // namespace oag
