// Writes random documents of the grammars in tests/data/grammar/schemas.json, one JSON line each: {"case",
// "text"}. A walk takes tokens that the masks allow, short ones with a chance that shrinks, until the text
// may end. tests/e2e/grammar_walk_test.py asks jsonschema whether they are valid.
#include <fmt/core.h>

#include <random>
#include <string>
#include <vector>

#include "base/file.h"
#include "llm/text/grammar_matcher.h"

namespace oag {
namespace {

constexpr int kWalks = 6;
constexpr int kMaxSteps = 600;

std::shared_ptr<const GrammarVocabulary> make_vocabulary() {
  std::vector<std::string> texts;
  for (int byte = 0; byte < 256; ++byte) texts.push_back(std::string(1, static_cast<char>(byte)));
  for (const char* text :
       {"{\"",      "\":",      "\": ",     "\", \"", "\",",   "\"}",  "\"]", "]}",   "},",     "{}",
        "[]",       "true",     "null",     "12",     "0.5",   "-1",   "ab",  "abc",  " the",   "日本",
        "\xE6\x97", "\xA5\xE6", "\xF0\x9F", "\\n",    "\\u00", "\\\"", "  ",  "\n  ", "2024-0", "@b.c"}) {
    texts.emplace_back(text);
  }
  texts.emplace_back("");
  const auto end = static_cast<TokenId>(texts.size() - 1);
  return GrammarVocabulary::create(std::move(texts), {end});
}

// Empty where the walk has not come to an end in time.
std::string walk(const std::shared_ptr<CompiledGrammar>& compiled, std::mt19937& rng) {
  const GrammarVocabulary& vocabulary = *compiled->vocabulary();
  const TokenId end = vocabulary.end_ids()[0];
  GrammarMatcher matcher(compiled);
  std::vector<uint32_t> bits(mask_words(vocabulary.size_tokens()));
  std::string text;
  for (int step = 0; step < kMaxSteps; ++step) {
    matcher.mask(bits);
    std::vector<TokenId> allowed, closing;
    for (size_t id = 0; id < vocabulary.size_tokens(); ++id) {
      if ((bits[id / 32] >> (id % 32) & 1) == 0) continue;
      const auto token = static_cast<TokenId>(id);
      allowed.push_back(token);
      const std::string_view bytes = vocabulary.bytes(token);
      if (token == end || bytes == "\"" || bytes == "}" || bytes == "]" || bytes == ":" || bytes == "0")
        closing.push_back(token);
    }
    // Towards the end of a walk, tokens that close something come first.
    const bool close = !closing.empty() && static_cast<int>(rng() % kMaxSteps) < 2 * step + 60;
    const std::vector<TokenId>& from = close ? closing : allowed;
    const TokenId next = from[rng() % from.size()];
    if (!matcher.accept(next)) return "a token of the mask was not taken";
    if (next == end) return text;
    text += vocabulary.bytes(next);
  }
  return "";
}

}  // namespace
}  // namespace oag

int main() {
  using namespace oag;
  const Json cases = parse_json(read_file(OAG_SOURCE_DIR "/tests/data/grammar/schemas.json"), "schemas.json");
  const auto vocabulary = make_vocabulary();
  std::mt19937 rng(11);
  for (const Json& entry : cases) {
    const auto compiled = CompiledGrammar::create(Grammar::from_json_schema(entry["schema"]), vocabulary);
    for (int i = 0; i < kWalks; ++i) {
      const std::string text = walk(compiled, rng);
      if (!text.empty()) fmt::print("{}\n", Json{{"case", entry["name"]}, {"text", text}}.dump());
    }
  }
  return 0;
}
