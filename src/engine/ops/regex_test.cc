// Matches follow from RE2's syntax (https://github.com/google/re2/wiki/Syntax); the stored cases of
// RegexFullMatch compare with RE2 itself.
#include "engine/ops/regex.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace oag {
namespace {

bool matches(std::string_view pattern, std::string_view text) {
  return Regex(pattern, "test").matches(text);
}

std::string refusal(std::string_view pattern) {
  try {
    Regex(pattern, "test");
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Regex, MatchesTheWholeText) {
  EXPECT_TRUE(matches("a|ab", "ab"));
  EXPECT_FALSE(matches("a", "ab"));
  EXPECT_TRUE(matches("", ""));
  EXPECT_TRUE(matches("(?:)*", ""));
}

TEST(Regex, CountsRepetitions) {
  EXPECT_FALSE(matches("a{2,3}", "a"));
  EXPECT_TRUE(matches("a{2,3}", "aaa"));
  EXPECT_FALSE(matches("a{2,3}", "aaaa"));
  EXPECT_TRUE(matches("(ab){2,}c??", "ababab"));
  EXPECT_TRUE(matches("a{,2}", "a{,2}"));
}

TEST(Regex, KnowsClassesFlagsAndUnicode) {
  EXPECT_TRUE(matches(R"([^\d\s]+)", "日本"));
  EXPECT_TRUE(matches(R"(\p{Lu}\pN)", "É١"));
  EXPECT_TRUE(matches("(?i)straße", "STRAẞE"));
  EXPECT_TRUE(matches("(?i)k", "\u212A"));  // the sign of Kelvin
  EXPECT_FALSE(matches("a.b", "a\nb"));
  EXPECT_TRUE(matches("(?s)a.b", "a\nb"));
  EXPECT_TRUE(matches("(?m)^a$\n^b$", "a\nb"));
  EXPECT_TRUE(matches(R"(\Qa.b\E+)", "a.bb"));
  EXPECT_TRUE(matches(R"([[:^alpha:]\x{1F600}]+)", "1😀"));
  EXPECT_FALSE(matches(R"(a\Bb)", "a b"));
}

TEST(Regex, NeverMatchesWhatIsNoUtf8) {
  EXPECT_FALSE(matches("(?s).*", "a\xFF"));
}

TEST(Regex, TakesLinearTimeWhereBacktrackingWouldNotEnd) {
  const std::string text(2000, 'a');
  EXPECT_FALSE(matches("(a*)*b", text));
  EXPECT_FALSE(matches("(a|aa|a?)+c", text));
}

TEST(Regex, RefusesWhatIsNoExpression) {
  for (const char* pattern :
       {"(", ")", "[a", "[z-a]", "*", "a**", "a{2}{3}", "a{1001}", "a{2,1}", R"(\1)", R"(\y)", "(?=a)",
        "(?P=n)", R"(\p{Foo})", "[[:foo:]]", R"(\x{110000})", "\\", "\xFF"})
    EXPECT_NE(refusal(pattern), "accepted") << pattern;
}

TEST(Regex, BoundsWhatAnExpressionMayBecome) {
  EXPECT_NE(refusal("(((a{900}){900}){900}){900}").find("too large"), std::string::npos);
  EXPECT_EQ(refusal("(((((){900}){900}){900}){900}){900}"), "accepted");
  EXPECT_NE(refusal(std::string(5000, '(')).find("nested too deep"), std::string::npos);
}

}  // namespace
}  // namespace oag
