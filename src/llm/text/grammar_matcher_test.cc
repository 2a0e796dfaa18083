#include "llm/text/grammar_matcher.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "llm/text/grammar_lazy.h"

namespace oag {
namespace {

bool has(const std::vector<uint32_t>& bits, size_t id) {
  return (bits[id / 32] >> (id % 32) & 1) != 0;
}

// Bytes, pieces of JSON, words, and tokens that begin or end inside a character; then two control tokens.
std::vector<std::string> small_vocabulary() {
  std::vector<std::string> texts;
  for (int byte = 0; byte < 256; ++byte) texts.push_back(std::string(1, static_cast<char>(byte)));
  for (const char* text :
       {"{\"",  "\":",      "\",",       "\"}",  "\":\"",    "\", \"",    "\"]",       "]}",
        "}}",   "},",       "],",        "{}",   "[]",       "null",      "true",      "false",
        "tr",   "nul",      "12",        "123",  "-1",       "0.5",       "e+",        "1e5",
        ": ",   ", ",       "  ",        "    ", "\n",       "\n\n",      "\n  ",      "\t",
        "name", "\"name\"", "\"name\":", "ab",   "abc",      " the",      "the end\"", "\\n",
        "\\u",  "\\u00",    "\\\"",      "a\"b", "\xE6\x97", "\xA5\xE6",  "\x9C\xAC",  "日",
        "日本", "\xF0\x9F", "\x98\x80",  "é\"",  "do(",      "do(action", "=\"",       "x)",
        "\")",  "(1+",      "+2)",       "((",   "))",       "aaaa",      "2024-",     "-02-",
        "a@b.c"}) {
    texts.emplace_back(text);
  }
  texts.emplace_back("ab");  // a second id with the same bytes
  texts.emplace_back("");
  texts.emplace_back("");
  return texts;
}

std::vector<std::shared_ptr<const Grammar>> grammars() {
  const auto schema = [](const char* text) { return Grammar::from_json_schema(parse_json(text, "test")); };
  return {
      Grammar::any_json_object(),
      schema(
          R"({"type":"object","properties":{"name":{"type":"string","maxLength":5},"n":{"type":"integer","minimum":-3,"maximum":120},
                 "t":{"type":"array","items":{"enum":["ab","abc",null,true]},"maxItems":3}},"required":["name"]})"),
      schema(
          R"({"$ref":"#/$defs/t","$defs":{"t":{"type":"object","properties":{"name":{"type":"array","items":{"$ref":"#/$defs/t"}}},
                 "additionalProperties":{"type":"number"}}}})"),
      schema(R"({"type":["string","null"],"pattern":"^[ab]{2,6}日?$"})"),
      Grammar::from_gbnf("root ::= e\ne ::= t ((\"+\" | \"-\") t)*\nt ::= [0-9]+ | \"(\" e \")\""),
      Grammar::from_gbnf("root ::= \"a\" root \"a\" | \"b\" root \"b\" | \"\""),
      Grammar::from_gbnf("root ::= s+\ns ::= \"a\" | s2 \"b\"\ns2 ::= \"a\" s \"a\" | \"a\" s | \"a\""),
      Grammar::from_regex("(ab|abc)*[^a]{0,3}日+(é|😀)?"),
      Grammar::phone_agent_action(),
  };
}

// What the mask says must be what feeding each token to a copy says.
TEST(GrammarMatcher, MasksEqualTheTokensThatACopyAccepts) {
  const std::vector<std::string> texts = small_vocabulary();
  const auto end = static_cast<TokenId>(texts.size() - 1);
  const auto vocabulary = GrammarVocabulary::create(texts, {end});
  std::vector<uint32_t> bits(mask_words(texts.size()) + 1, 0xFFFFFFFF);
  std::mt19937 rng(5);
  for (const auto& grammar : grammars()) {
    const auto compiled = CompiledGrammar::create(grammar, vocabulary);
    const auto unused = CompiledGrammar::create(grammar, GrammarVocabulary::create({"x"}, {}));
    for (int walk = 0; walk < 12; ++walk) {
      GrammarMatcher matcher(compiled);
      GrammarMatcher reference(unused);  // bytes alone, nothing cached for tokens
      for (int step = 0; step < 40; ++step) {
        matcher.mask(bits);
        EXPECT_EQ(bits.back(), 0u) << "bits past the vocabulary";
        std::vector<TokenId> allowed;
        for (size_t id = 0; id < texts.size(); ++id) {
          GrammarMatcher copy = reference;
          const bool expected = static_cast<TokenId>(id) == end
                                    ? reference.may_end()
                                    : !texts[id].empty() && copy.accept_bytes(texts[id]);
          ASSERT_EQ(has(bits, id), expected) << "token " << id << " '" << texts[id] << "' at step " << step;
          GrammarMatcher taken = matcher;
          ASSERT_EQ(taken.accept(static_cast<TokenId>(id)), expected);
          if (expected) allowed.push_back(static_cast<TokenId>(id));
        }
        // Long tokens as often as single bytes.
        std::erase_if(allowed, [&](TokenId id) { return id < 256 && rng() % 4 != 0 && allowed.size() > 3; });
        if (allowed.empty()) continue;
        const TokenId next = allowed[rng() % allowed.size()];
        ASSERT_TRUE(matcher.accept(next));
        if (next == end) break;
        ASSERT_TRUE(reference.accept_bytes(texts[static_cast<size_t>(next)]));
      }
    }
  }
}

// So many tokens that walks go over classes of bytes, with quotes and escapes inside tokens.
std::vector<std::string> large_vocabulary() {
  std::vector<std::string> texts = small_vocabulary();
  texts.resize(texts.size() - 2);
  constexpr std::string_view kParts[] = {"e", "rat", "ion", "日", "é", "\"", "\\",       "\\n", "\\\"",
                                         ",", ":",   " ",   "}",  "1", "B",  "\xE6\x97", "😀",  ")"};
  std::mt19937 rng(9);
  while (texts.size() < 25'000) {
    std::string text;
    for (size_t n = 1 + rng() % 5; n > 0; --n) {
      if (rng() % 4 == 0) {
        text += kParts[rng() % std::size(kParts)];
      } else {
        for (size_t letters = 1 + rng() % 3; letters > 0; --letters)
          text += static_cast<char>('a' + rng() % 26);
      }
    }
    texts.push_back(text);
  }
  texts.emplace_back("");
  texts.emplace_back("");
  return texts;
}

TEST(GrammarMatcher, MasksOverClassesOfBytesEqualTheTokensThatACopyAccepts) {
  const std::vector<std::string> texts = large_vocabulary();
  const auto vocabulary = GrammarVocabulary::create(texts, {static_cast<TokenId>(texts.size() - 1)});
  const auto schema = [](const char* text) { return Grammar::from_json_schema(parse_json(text, "test")); };
  const std::vector<std::pair<std::shared_ptr<const Grammar>, std::string>> walks = {
      {Grammar::any_json_object(), R"({"ration": ["e\n日", {"é": 1}]})"},
      {schema(
           R"({"type":"object","properties":{"s":{"type":"string","minLength":2,"maxLength":9},"e":{"type":"string","minLength":90,
                  "maxLength":300}},"required":["s","e"],"additionalProperties":false})"),
       R"({"s": "e日\"rat", "e": "ration)"},
      {schema(R"({"type":"string","pattern":"^[a-z日 ]{3,8}(\"[^é]*)?$"})"), "\"ration\\\"e, 日"},
      {Grammar::from_regex("([^B1]{2,5}[:,] ?)+é"), "ratio, 日日:é"},
      {Grammar::phone_agent_action(), R"(do(action="Type", text="ration\n日 \"e"))"},
  };
  std::vector<uint32_t> bits(mask_words(texts.size()));
  for (const auto& [grammar, text] : walks) {
    GrammarMatcher matcher(CompiledGrammar::create(grammar, vocabulary));
    GrammarMatcher reference(CompiledGrammar::create(grammar, GrammarVocabulary::create({"x"}, {})));
    for (const char byte : text) {
      matcher.mask(bits);
      for (size_t id = 0; id + 2 < texts.size(); ++id) {
        GrammarMatcher copy = reference;
        ASSERT_EQ(has(bits, id), copy.accept_bytes(texts[id]))
            << texts[id] << " in " << text << " before " << byte;
      }
      ASSERT_TRUE(matcher.accept_bytes({&byte, 1})) << text << " at " << byte;
      ASSERT_TRUE(reference.accept_bytes({&byte, 1}));
    }
  }
}

TEST(GrammarMatcher, NothingFollowsTheEnd) {
  const auto vocabulary = GrammarVocabulary::create({"a", "b", "", ""}, {3});
  GrammarMatcher matcher(CompiledGrammar::create(Grammar::from_gbnf("root ::= \"a\"+"), vocabulary));
  std::vector<uint32_t> bits(1);
  EXPECT_FALSE(matcher.accept(3)) << "an end id before the text is whole";
  EXPECT_FALSE(matcher.accept(2)) << "a control token";
  EXPECT_FALSE(matcher.accept(1));
  EXPECT_FALSE(matcher.accept(99));
  EXPECT_TRUE(matcher.accept(0));
  matcher.mask(bits);
  EXPECT_EQ(bits[0], 0b1001u);
  EXPECT_FALSE(matcher.complete());
  EXPECT_TRUE(matcher.accept(3));
  EXPECT_TRUE(matcher.complete());
  matcher.mask(bits);
  EXPECT_EQ(bits[0], 0b1000u);
  EXPECT_FALSE(matcher.accept(0));
}

TEST(GrammarMatcher, OwnEndIdsReplaceTheVocabularys) {
  const auto vocabulary = GrammarVocabulary::create({"a", "b", "<end>", ""}, {3});
  const TokenId ends[] = {2};
  GrammarMatcher matcher(CompiledGrammar::create(Grammar::from_gbnf("root ::= [a<end>]+"), vocabulary), ends);
  std::vector<uint32_t> bits(1);
  matcher.mask(bits);
  EXPECT_EQ(bits[0], 0b0001u) << "an end id is no text";
  EXPECT_TRUE(matcher.accept(0));
  matcher.mask(bits);
  EXPECT_EQ(bits[0], 0b0101u);
}

TEST(GrammarMatcher, AVocabularyThatCannotGoOnIsAnError) {
  const auto vocabulary = GrammarVocabulary::create({"a", ""}, {1});
  GrammarMatcher matcher(CompiledGrammar::create(Grammar::from_gbnf("root ::= \"ab\""), vocabulary));
  std::vector<uint32_t> bits(1);
  EXPECT_TRUE(matcher.accept(0));
  EXPECT_THROW(matcher.mask(bits), Error);
  EXPECT_THROW(matcher.mask({}), Error);
}

TEST(GrammarMatcher, ForgettingWhatWasComputedChangesNothing) {
  // Long texts of many states against a wide vocabulary pass the bound of what is kept several times.
  std::vector<std::string> texts;
  for (int i = 0; i < 60'000; ++i)
    texts.push_back(std::string(1, static_cast<char>('a' + i % 26)) + std::to_string(i));
  for (const char* text : {"a", "b", "1", ""}) texts.emplace_back(text);
  const auto end = static_cast<TokenId>(texts.size() - 1);
  const auto vocabulary = GrammarVocabulary::create(texts, {end});
  const auto compiled =
      CompiledGrammar::create(Grammar::from_gbnf("root ::= ([a-z0-9] [a-z0-9]){9000}"), vocabulary);
  GrammarMatcher matcher(compiled), witness(compiled);
  std::vector<uint32_t> bits(mask_words(texts.size()));
  size_t largest = 0, drops = 0, last = 0;
  for (int i = 0; i < 18'000; i += 2) {
    matcher.mask(bits);
    ASSERT_TRUE(has(bits, 0)) << i;
    ASSERT_EQ(has(bits, static_cast<size_t>(end)), false);
    ASSERT_TRUE(matcher.accept(0)) << i;  // "a0"
    const size_t kept = compiled->cached_bytes();
    drops += kept < last;
    last = kept;
    largest = std::max(largest, kept);
  }
  EXPECT_TRUE(matcher.complete());
  EXPECT_GE(drops, 1u);
  EXPECT_LT(largest, size_t{100} << 20);
  EXPECT_TRUE(witness.accept_bytes("a")) << "one that stayed behind";
}

TEST(GrammarMatcher, ThreadsShareACompiledGrammar) {
  const std::vector<std::string> texts = small_vocabulary();
  const auto vocabulary = GrammarVocabulary::create(texts, {static_cast<TokenId>(texts.size() - 1)});
  const auto compiled = CompiledGrammar::create(Grammar::any_json_object(), vocabulary);
  const std::string document = R"({"name": [1, {"ab": "日本"}], "x": null})";
  std::vector<std::thread> threads;
  std::vector<int> done(4);
  for (int& result : done) {
    threads.emplace_back([&] {
      std::vector<uint32_t> bits(mask_words(texts.size()));
      for (int round = 0; round < 20; ++round) {
        GrammarMatcher matcher(compiled);
        for (const char byte : document) {
          matcher.mask(bits);
          if (has(bits, static_cast<uint8_t>(byte)) && matcher.accept(static_cast<uint8_t>(byte))) ++result;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int result : done) EXPECT_EQ(result, 20 * static_cast<int>(document.size()));
}

class LazyConstraintTest : public testing::Test {
 protected:
  static constexpr TokenId kEnd = 8;

  LazyConstraint make(std::vector<LazyTrigger> triggers, std::string_view gbnf) const {
    return LazyConstraint(std::move(triggers),
                          GrammarMatcher(CompiledGrammar::create(Grammar::from_gbnf(gbnf), vocabulary_)));
  }
  std::string allowed(TokenConstraint& constraint) const {
    std::vector<uint32_t> bits(1);
    constraint.mask(bits);
    std::string ids;
    for (size_t id = 0; id < vocabulary_->size_tokens(); ++id) ids += has(bits, id) ? '1' : '0';
    return ids;
  }

  std::shared_ptr<const GrammarVocabulary> vocabulary_ =
      GrammarVocabulary::create({"a", "b", "<", "<go", ">", ">a", ">b", "x<go>aa", ""}, {kEnd});
};

TEST_F(LazyConstraintTest, AllowsEverythingUntilTheTriggerIsWritten) {
  LazyConstraint lazy = make({{"<go>"}}, "root ::= \"a\"{2}");
  EXPECT_EQ(allowed(lazy), "111111111");
  EXPECT_TRUE(lazy.accept(1));
  EXPECT_TRUE(lazy.accept(3));
  EXPECT_EQ(allowed(lazy), "111111011") << "what stands behind the trigger must fit";
  EXPECT_FALSE(lazy.accept(6));
  EXPECT_FALSE(lazy.triggered());
  EXPECT_TRUE(lazy.accept(5));
  EXPECT_TRUE(lazy.triggered());
  EXPECT_EQ(allowed(lazy), "100000000");
  EXPECT_FALSE(lazy.complete());
  EXPECT_TRUE(lazy.accept(0));
  EXPECT_TRUE(lazy.complete());
  EXPECT_EQ(allowed(lazy), "000000001");
}

TEST_F(LazyConstraintTest, FindsATriggerInsideAToken) {
  LazyConstraint lazy = make({{"<go>"}}, "root ::= \"a\"{2}");
  EXPECT_TRUE(lazy.accept(7));
  EXPECT_TRUE(lazy.complete());
  LazyConstraint strict = make({{"<go>"}}, "root ::= \"a\"");
  EXPECT_EQ(allowed(strict), "111111101");
  EXPECT_FALSE(strict.accept(7));
}

TEST_F(LazyConstraintTest, ATriggerMayBelongToTheInnerConstraint) {
  LazyConstraint lazy = make({{"<go", true}}, "root ::= \"<go>a\" | \"<\"");
  EXPECT_TRUE(lazy.accept(2));
  EXPECT_FALSE(lazy.triggered());
  EXPECT_TRUE(lazy.accept(3)) << "the first < is text";
  EXPECT_TRUE(lazy.triggered());
  EXPECT_EQ(allowed(lazy), "000011000");
  EXPECT_THROW(make({{"x", true}}, "root ::= \"y\""), Error);
}

TEST_F(LazyConstraintTest, TheFirstTriggerToEndCounts) {
  LazyConstraint lazy = make({{"b"}, {"<go>b"}}, "root ::= \"a\"");
  EXPECT_TRUE(lazy.accept(3));
  EXPECT_TRUE(lazy.accept(6)) << "both end here";
  EXPECT_TRUE(lazy.triggered());
  EXPECT_EQ(allowed(lazy), "100000000");
}

TEST_F(LazyConstraintTest, RefusesTriggersThatCannotWork) {
  EXPECT_THROW(make({}, "root ::= \"a\""), Error);
  EXPECT_THROW(make({{""}}, "root ::= \"a\""), Error);
  EXPECT_THROW(make({{std::string(2000, 'x')}}, "root ::= \"a\""), Error);
}

TEST(LazyPhoneAgent, ConstrainsTheActionBehindFreeThinking) {
  const std::vector<std::string> texts = small_vocabulary();
  const auto end = static_cast<TokenId>(texts.size() - 1);
  const auto vocabulary = GrammarVocabulary::create(texts, {end});
  LazyConstraint lazy(phone_agent_triggers(),
                      GrammarMatcher(CompiledGrammar::create(Grammar::phone_agent_action(), vocabulary)));
  const auto write = [&](std::string_view text) {
    for (const char byte : text) {
      if (!lazy.accept(static_cast<uint8_t>(byte))) return false;
    }
    return true;
  };
  EXPECT_TRUE(write("<think>I do(nothing)\n\xFF yet</think><answer>do(action="));
  EXPECT_FALSE(write("Tap"));
  EXPECT_TRUE(write("\"Tap\", element=[1,2])"));
  EXPECT_TRUE(lazy.complete());
  EXPECT_FALSE(write("<"));
  std::vector<uint32_t> bits(mask_words(texts.size()));
  lazy.mask(bits);
  EXPECT_TRUE(has(bits, static_cast<size_t>(end)));
  EXPECT_FALSE(has(bits, '<'));
}

}  // namespace
}  // namespace oag
