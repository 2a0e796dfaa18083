#include "llm/text/pretokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "base/file.h"
#include "base/json.h"

namespace oag {
namespace {

// Pieces as lengths in characters, as the stored cuts are written.
std::string lengths_of(const std::vector<std::string_view>& pieces) {
  std::string text;
  for (const std::string_view piece : pieces) {
    const auto length =
        std::count_if(piece.begin(), piece.end(), [](char byte) { return (byte & 0xC0) != 0x80; });
    text += (text.empty() ? "" : " ") + std::to_string(length);
  }
  return text;
}

TEST(Pretokenizer, CutsTextWhereTheRegularExpressionsOfTheModelsDo) {
  const std::string path = std::string(OAG_SOURCE_DIR) + "/tests/data/tokenizer/pretokenizers.json";
  const Json data = parse_json(read_file(path), path);
  const auto texts = data.at("texts").get<std::vector<std::string>>();
  ASSERT_GT(texts.size(), 150u);
  ASSERT_GE(data.at("cuts").size(), 10u);
  for (const auto& [name, cuts] : data.at("cuts").items()) {
    const Pretokenizer& pretokenizer = find_pretokenizer(name);
    ASSERT_EQ(cuts.size(), texts.size());
    for (size_t i = 0; i < texts.size(); ++i) {
      std::vector<std::string_view> pieces;
      pretokenizer.split(texts[i], pieces);
      EXPECT_EQ(lengths_of(pieces), cuts[i].get<std::string>()) << name << ": " << texts[i];
    }
  }
}

TEST(Pretokenizer, KnowsWhatFamiliesImplyBesidesTheirCuts) {
  EXPECT_TRUE(find_pretokenizer("tekken").ignore_merges);
  EXPECT_TRUE(find_pretokenizer("tekken").adds_bos);
  EXPECT_FALSE(find_pretokenizer("gpt-4o").ignore_merges);
  EXPECT_FALSE(find_pretokenizer("deepseek-llm").adds_bos);
  EXPECT_EQ(&find_pretokenizer("llama4"), &find_pretokenizer("gpt-4o"));
  EXPECT_EQ(&find_pretokenizer("hunyuan-dense"), &find_pretokenizer("deepseek-v3"));
}

// 200,000 characters take some 10 ms; a quadratic scanner takes minutes.
TEST(Pretokenizer, TakesTimeThatGrowsWithTheTextAlone) {
  const auto longest_ms = [](std::string_view unit, size_t count, std::string_view last = "") {
    std::string text;
    for (size_t i = 0; i < count; ++i) text += unit;
    text += last;
    double longest = 0;
    for (const char* name : {"gpt-4o", "tekken", "deepseek-llm", "deepseek-coder", "deepseek-v3", "bloom"}) {
      const auto begin = std::chrono::steady_clock::now();
      std::vector<std::string_view> pieces;
      find_pretokenizer(name).split(text, pieces);
      const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
      longest = std::max(longest, took.count());
    }
    return longest;
  };
  for (const char* unit : {"A", " ", "中", "\u0301", "1", "'", "A中", "\n ", "\u0301A"})
    EXPECT_LT(longest_ms(unit, 200'000), 1000.0) << unit;
  for (const char* last : {"1", "中", "1 ", "中 "}) EXPECT_LT(longest_ms(" ", 200'000, last), 1000.0) << last;
}

}  // namespace
}  // namespace oag
