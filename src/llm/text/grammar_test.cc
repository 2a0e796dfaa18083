#include "llm/text/grammar.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "llm/text/grammar_matcher.h"
#include "llm/text/unicode.h"

namespace oag {
namespace {

std::shared_ptr<const GrammarVocabulary> two_tokens() {
  return GrammarVocabulary::create({"a", ""}, {1});
}

bool takes(const std::shared_ptr<CompiledGrammar>& compiled, std::string_view text) {
  GrammarMatcher matcher(compiled);
  return matcher.accept_bytes(text) && matcher.may_end();
}

std::shared_ptr<CompiledGrammar> compile(const std::shared_ptr<const Grammar>& grammar) {
  return CompiledGrammar::create(grammar, two_tokens());
}

Json read_cases(const std::string& name) {
  return parse_json(read_file(OAG_SOURCE_DIR "/tests/data/grammar/" + name, size_t{16} << 20), name);
}

// tests/data/grammar is written by tools/goldens/make_grammar_cases.py, which asks jsonschema, Python's re
// and xgrammar.
void expect_documents(const std::shared_ptr<const Grammar>& grammar, const Json& entry) {
  const auto compiled = compile(grammar);
  for (const Json& document : entry["documents"]) {
    const std::string text = document["text"].get<std::string>();
    EXPECT_EQ(takes(compiled, text), document["valid"].get<bool>())
        << entry.value("name", "") << ": " << text;
  }
}

TEST(Grammar, SchemasTakeTheTextsThatJsonschemaValidates) {
  const Json cases = read_cases("schemas.json");
  ASSERT_GE(cases.size(), 100u);
  for (const Json& entry : cases) expect_documents(Grammar::from_json_schema(entry["schema"]), entry);
}

// OpenAPI 3.0.3: null has to be among the values too.
TEST(Grammar, NullableAloneDoesNotAddNullToListedValues) {
  const std::tuple<std::string, bool, bool> cases[] = {
      {R"({"type":"string","nullable":true,"enum":["x"]})", true, false},
      {R"({"type":"string","nullable":true,"enum":["x",null]})", true, true},
      {R"({"type":"string","nullable":true,"const":"x"})", true, false},
      {R"({"type":"string","enum":["x",null]})", true, false},
      {R"({"type":"string","nullable":true})", true, true},
  };
  for (const auto& [schema, text, null] : cases) {
    const auto compiled = compile(Grammar::from_json_schema(Json::parse(schema)));
    EXPECT_EQ(takes(compiled, "\"x\""), text) << schema;
    EXPECT_EQ(takes(compiled, "null"), null) << schema;
  }
}

TEST(Grammar, RegexesTakeWhatPythonFullyMatches) {
  for (const Json& entry : read_cases("regexes.json")) {
    SCOPED_TRACE(entry["regex"].get<std::string>());
    expect_documents(Grammar::from_regex(entry["regex"].get<std::string>()), entry);
  }
}

TEST(Grammar, GbnfTakesWhatXgrammarTakes) {
  for (const Json& entry : read_cases("gbnf.json")) {
    expect_documents(Grammar::from_gbnf(entry["gbnf"].get<std::string>()), entry);
  }
}

TEST(Grammar, SchemasThatCannotBeEnforcedAreRefusedWithTheReason) {
  for (const Json& entry : read_cases("refused_schemas.json")) {
    try {
      Grammar::from_json_schema(entry["schema"]);
      ADD_FAILURE() << "taken: " << entry["schema"];
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(entry["reason"].get<std::string>()), std::string::npos)
          << entry["schema"] << ": " << error.what();
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    }
  }
}

TEST(Grammar, ErrorsOfSchemasNameThePlace) {
  const Json schema = parse_json(
      R"({"type":"object","properties":{"a":{"type":"array","items":{"type":"integer","multipleOf":2}}}})",
      "test");
  try {
    Grammar::from_json_schema(schema);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.where(), "json_schema/properties/a/items");
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  }
}

TEST(Grammar, CompactSchemasAllowNoBlanks) {
  const Json schema =
      parse_json(R"({"type":"object","properties":{"a":{"type":"array"}},"required":["a"]})", "test");
  const auto compiled = compile(Grammar::from_json_schema(schema, "json_schema", JsonWhitespace::kCompact));
  EXPECT_TRUE(takes(compiled, R"({"a":[1,{"b":null}],"c":"d e"})"));
  EXPECT_FALSE(takes(compiled, R"({"a": []})"));
}

TEST(Grammar, BlanksBetweenTokensAreBounded) {
  const auto compiled = compile(Grammar::any_json_object());
  EXPECT_TRUE(takes(compiled, "{\n" + std::string(32, ' ') + "\"a\": 1}"));
  EXPECT_FALSE(takes(compiled, "{\n" + std::string(33, ' ') + "\"a\": 1}"));
  EXPECT_FALSE(takes(compiled, "{  \"a\": 1}"));
  EXPECT_FALSE(takes(compiled, "{\n\n\"a\": 1}"));
}

// The value of the text, read by the C library, decides.
TEST(Grammar, NumberBoundsHoldForEveryWriting) {
  std::mt19937 rng(7);
  const auto pick = [&](int n) { return static_cast<int>(rng() % static_cast<unsigned>(n)); };
  for (int round = 0; round < 150; ++round) {
    const bool whole = pick(2) == 0;
    const double scale = whole ? 1 : std::pow(10, pick(4));
    double low = (pick(4000) - 2000) / scale, high = low + pick(3000) / scale;
    if (round % 5 == 0) high = low;
    const bool strict_low = pick(2) == 0, strict_high = pick(2) == 0;
    Json schema{{"type", whole ? "integer" : "number"}};
    schema[strict_low ? "exclusiveMinimum" : "minimum"] = low;
    schema[strict_high ? "exclusiveMaximum" : "maximum"] = high;
    std::shared_ptr<CompiledGrammar> compiled;
    try {
      compiled = compile(Grammar::from_json_schema(schema));
    } catch (const Error&) {  // nothing fits
    }
    for (int i = 0; i < 200; ++i) {
      const double near =
          (pick(2) == 0 ? low : high) + (pick(5) - 2) * (whole ? 1 : 0.37) * pick(60) / (whole ? 1 : scale);
      std::string text = fmt::format("{:.{}f}", whole ? std::round(near) : near, whole ? 0 : pick(6));
      if (std::strtod(text.c_str(), nullptr) == 0 && text[0] == '-') text.erase(0, 1);
      const double value = std::strtod(text.c_str(), nullptr);
      const bool fits =
          (strict_low ? value > low : value >= low) && (strict_high ? value < high : value <= high);
      EXPECT_EQ(compiled != nullptr && takes(compiled, text), fits) << schema << " " << text;
    }
  }
}

TEST(Grammar, CharacterClassesTakeExactlyTheirCharacters) {
  std::mt19937 rng(3);
  for (int round = 0; round < 12; ++round) {
    char32_t first = rng() % 0x110000, last = rng() % 0x110000;
    if (round < 6) last = std::min<char32_t>(0x10FFFF, first + rng() % 3000);
    if (first > last) std::swap(first, last);
    const auto compiled = compile(Grammar::from_gbnf(fmt::format(
        R"(root ::= [\U{:08X}-\U{:08X}])", first >= 0xD800 && first < 0xE000 ? 0xE000 : uint32_t{first},
        last >= 0xD800 && last < 0xE000 ? 0xE000 : uint32_t{last})));
    for (char32_t c = 0; c <= 0x10FFFF; c += 1 + rng() % 40) {
      if (c >= 0xD800 && c <= 0xE000) continue;
      std::string text;
      append_utf8(text, c);
      EXPECT_EQ(takes(compiled, text), c >= first && c <= last) << uint32_t{c};
    }
  }
  const auto any = compile(Grammar::from_gbnf("root ::= ."));
  for (const char* text : {"\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF", "\x80", "\xE6\x97"}) {
    EXPECT_FALSE(takes(any, text)) << "ill-formed UTF-8";
  }
}

TEST(Grammar, LeftRecursionIsRewrittenOrRefused) {
  const auto sums = compile(Grammar::from_gbnf("root ::= root \"+\" [0-9] | [0-9]"));
  EXPECT_TRUE(takes(sums, "1+2+3"));
  EXPECT_FALSE(takes(sums, "1+"));
  for (const char* text : {"root ::= a \"x\"\na ::= root | \"y\"",
                           "root ::= a root \"x\" | \"y\"\na ::= \"z\"?", "root ::= (root)* \"x\" | root"}) {
    EXPECT_THROW(Grammar::from_gbnf(text), Error) << text;
  }
}

TEST(Grammar, MalformedGbnfIsRefusedWithThePlace) {
  for (const auto& [text, place] :
       std::vector<std::pair<std::string, std::string>>{{"root ::= \"a", "line 1, column 12"},
                                                        {"root ::= [a", "column 12"},
                                                        {"root ::= (\"a\"", "')' was expected"},
                                                        {"root = \"a\"", "'::='"},
                                                        {"a ::= \"x\"", "no rule 'root'"},
                                                        {"root ::= b", "'b' is used but nowhere"},
                                                        {"root ::= \"a\"\nroot ::= \"b\"", "defined twice"},
                                                        {"root ::= \"a\"{2,1}", "larger"},
                                                        {"root ::= [b-a]", "before it starts"},
                                                        {"root ::= \"\\q\"", "unknown escape"},
                                                        {"root ::= \"\\uD800\"", "no character"},
                                                        {"root ::= \"x\" root", "can never end"},
                                                        {"root ::= <tool>", "tokens cannot be named"},
                                                        {"root ::= \"a\" )", "was expected"},
                                                        {"root ::= \"\xFF\"", "UTF-8"}}) {
    try {
      Grammar::from_gbnf(text);
      ADD_FAILURE() << "taken: " << text;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(place), std::string::npos) << text << ": " << error.what();
    }
  }
}

TEST(Grammar, UnsupportedRegexesAreRefused) {
  for (const char* pattern :
       {"(?=a)b", "(?<!a)b",     "\\bword", "(a)\\1", "a++",   "\\p{L}", "(?i)a",   "x^y",
        "x$y",    "[[:alpha:]]", "a**",     "*a",     "(",     ")",      "[z-a]",   "[a",
        "a{3,2}", "a{,3}",       "\\",      "[]a]",   "\\u12", "(?P<n",  "a{99999}"}) {
    EXPECT_THROW(Grammar::from_regex(pattern), Error) << pattern;
  }
}

TEST(Grammar, HostileGrammarsAreRefusedOrStayWithinBounds) {
  EXPECT_THROW(Grammar::from_gbnf("root ::= \"a\"{1,100000}"), Error);
  EXPECT_THROW(Grammar::from_regex("((((a{100}){100}){100}){100}){100}"), Error);
  EXPECT_THROW(Grammar::from_gbnf("root ::= " + std::string(100'000, '(') + "\"a\""), Error);
  EXPECT_THROW(Grammar::from_regex(std::string(100'000, '(')), Error);
  Json nested{{"$ref", "#/$defs/d0"}, {"$defs", {{"d40", true}}}};
  for (int i = 0; i < 40; ++i) {
    const Json next{{"$ref", fmt::format("#/$defs/d{}", i + 1)}};
    const Json choice{{"anyOf", {next, Json{{"type", "string"}}, next}}};
    nested["$defs"][fmt::format("d{}", i)] = Json{{"allOf", {choice, choice}}};
  }
  EXPECT_THROW(Grammar::from_json_schema(nested), Error);
}

// 2^60 ways to read each text: either it is found in time or the work bound ends it.
TEST(Grammar, DoublingRulesEnd) {
  std::string text = "root ::= r0\n";
  for (int i = 0; i < 60; ++i) text += fmt::format("r{} ::= r{} r{}\n", i, i + 1, i + 1);
  const auto compiled = compile(Grammar::from_gbnf(text + "r60 ::= \"a\"?\n"));
  GrammarMatcher matcher(compiled);
  try {
    EXPECT_TRUE(matcher.accept_bytes(std::string(200, 'a')));
    EXPECT_FALSE(matcher.accept_bytes("b"));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  }
}

TEST(Grammar, AmbiguousTextsStayCheap) {
  const auto compiled = compile(Grammar::from_gbnf("root ::= s\ns ::= \"a\" s s | \"a\""));
  GrammarMatcher matcher(compiled);
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(matcher.accept_bytes("a"));
  EXPECT_TRUE(matcher.accept_bytes(""));
}

TEST(Grammar, ChoicesAreTakenWhole) {
  const std::vector<std::string> choices{"yes", "no", "yes please", "日本"};
  const auto compiled = compile(Grammar::from_choices(choices));
  for (const std::string& choice : choices) EXPECT_TRUE(takes(compiled, choice));
  for (const char* text : {"", "y", "yes ", "yes please!", "\xE6\x97\xA5"})
    EXPECT_FALSE(takes(compiled, text)) << text;
  EXPECT_THROW(Grammar::from_choices({}), Error);
}

// The forms of the client's prompt and of its parser.
TEST(Grammar, PhoneAgentActionsEndAtTheParenthesis) {
  const auto compiled = compile(Grammar::phone_agent_action());
  for (const char* text :
       {R"(do(action="Launch", app="京东"))", R"(do(action="Tap", element=[123,999]))",
        R"(do(action="Tap", element=[1, 1000], message="pay"))", R"(do(action="Type", text="say \"hi\"\n"))",
        R"(do(action="Type_Name", text=""))", R"(do(action="Swipe", start=[0,1], end=[2,3]))",
        R"(do(action="Long Press", element=[5,6]))", R"(do(action="Double Tap", element=[5,6]))",
        R"(do(action="Back"))", R"(do(action="Home"))", R"(do(action="Interact"))",
        R"(do(action="Wait", duration="3 seconds"))", R"(do(action="Take_over", message="login"))",
        R"(do(action="Note", message="True"))", R"(do(action="Call_API", instruction="summarise"))",
        R"(finish(message="完成了"))"}) {
    GrammarMatcher matcher(compiled);
    EXPECT_TRUE(matcher.accept_bytes(text)) << text;
    EXPECT_TRUE(matcher.complete()) << text;
    EXPECT_FALSE(matcher.accept_bytes("<")) << text;
  }
  for (const char* text : {R"(do(action="Fly"))", R"(do(action="Tap", element=[1,2,3]))",
                           R"(do(action="Tap", element=[1001,2]))", "finish(message=\"a\nb\")",
                           R"(do(action="Tap"))", R"([{'Type', text="x")"}) {
    EXPECT_FALSE(takes(compiled, text)) << text;
  }
}

}  // namespace
}  // namespace oag
