#include "llm/generate/stop_matcher.h"

#include <gtest/gtest.h>

#include <random>

namespace oag {
namespace {

// A token for each letter, and some of several; "<end>" is a control token.
std::shared_ptr<const Tokenizer> letters() {
  Vocabulary vocabulary;
  vocabulary.model = "gpt2";
  vocabulary.tokens = {"a", "b", "c", "ab", "bca", "abcab", "<end>"};
  vocabulary.types.assign(vocabulary.tokens.size(), TokenType::kNormal);
  vocabulary.types.back() = TokenType::kControl;
  return Tokenizer::create(std::move(vocabulary));
}

constexpr TokenId kEnd = 6;

struct Answer {
  std::string text;
  bool matched = false;
};

Answer run(StopMatcher matcher, const std::vector<TokenId>& ids, size_t min_tokens = 0) {
  Answer answer;
  for (size_t i = 0; i < ids.size() && !matcher.matched(); ++i)
    answer.text += matcher.push(ids[i], i + 1 >= min_tokens);
  answer.matched = matcher.matched();
  if (!answer.matched) answer.text += matcher.flush();
  return answer;
}

// Letter by letter: as soon as the text ends with a stop string it is cut before the longest such.
Answer cut(const std::string& text, const std::vector<std::string>& stops, bool include, size_t from = 0) {
  for (size_t end = 1; end <= text.size(); ++end) {
    if (end <= from) continue;
    size_t longest = 0;
    for (const std::string& stop : stops) {
      if (text.substr(0, end).ends_with(stop)) longest = std::max(longest, stop.size());
    }
    if (longest > 0) return {text.substr(0, include ? end : end - longest), true};
  }
  return {text, false};
}

TEST(StopMatcher, CutsAtTheStopThatIsCompleteFirstHoweverTokensDivideTheText) {
  const auto tokenizer = letters();
  std::mt19937 random(9);
  int matched = 0;
  for (int round = 0; round < 4000; ++round) {
    std::vector<TokenId> ids;
    for (int i = 0; i < 8; ++i) ids.push_back(static_cast<TokenId>(random() % 6));
    std::vector<std::string> stops;
    for (size_t i = random() % 3 + 1; i > 0; --i) {
      std::string& stop = stops.emplace_back();
      for (size_t length = random() % 5; length > 0; --length) stop += static_cast<char>('a' + random() % 3);
    }
    const std::string text = tokenizer->decode(ids);
    const bool include = random() % 2 == 0;
    const Answer expected = cut(text, stops, include);
    const Answer seen = run(StopMatcher(tokenizer, stops, true, include), ids);
    ASSERT_EQ(seen.text, expected.text) << text;
    ASSERT_EQ(seen.matched, expected.matched);
    matched += seen.matched;
    // Stops that are complete before the fourth token are passed over.
    const size_t early = tokenizer->decode(std::span(ids).first(3)).size();
    const Answer later = cut(text, stops, include, early);
    const Answer seen_later = run(StopMatcher(tokenizer, stops, true, include), ids, 4);
    ASSERT_EQ(seen_later.matched, later.matched) << text << " from " << early;
    // What was let out before can't be taken back, but nothing but the cut is missing.
    ASSERT_EQ(seen_later.text, later.text) << text << " from " << early;
  }
  EXPECT_GT(matched, 1000);
}

TEST(StopMatcher, ControlTokensPrintWhereTheyAreNotSkipped) {
  const auto tokenizer = letters();
  EXPECT_EQ(run(StopMatcher(tokenizer, {}), {0, kEnd, 1}).text, "ab");
  EXPECT_EQ(run(StopMatcher(tokenizer, {}, false), {0, kEnd, 1}).text, "a<end>b");
  const Answer stopped = run(StopMatcher(tokenizer, {"end"}, false), {0, kEnd, 1});
  EXPECT_EQ(stopped.text, "a<");
  EXPECT_TRUE(stopped.matched);
  EXPECT_FALSE(run(StopMatcher(tokenizer, {"end"}), {0, kEnd, 1}).matched);
}

}  // namespace
}  // namespace oag
