// The first byte chooses a kind of grammar (GBNF, regular expression, JSON schema, choices), the rest is its
// text. A grammar that is taken is walked: 50 masks, each followed by a token that the mask allows.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/error.h"
#include "llm/text/grammar_matcher.h"

namespace {

std::shared_ptr<const oag::GrammarVocabulary> make_vocabulary() {
  std::vector<std::string> texts;
  for (int byte = 0; byte < 256; ++byte) texts.push_back(std::string(1, static_cast<char>(byte)));
  for (const char* text : {"{\"", "\":", "\", \"", "\"}", "null", "12", "ab", "abc", "日", "\xE6\x97", "  ",
                           "\n  ", "aaaaaaaa"}) {
    texts.emplace_back(text);
  }
  texts.emplace_back("");
  const auto end = static_cast<oag::TokenId>(texts.size() - 1);
  return oag::GrammarVocabulary::create(std::move(texts), {end});
}

std::shared_ptr<const oag::Grammar> make_grammar(uint8_t kind, const std::string& text) {
  switch (kind % 4) {
    case 0: return oag::Grammar::from_gbnf(text);
    case 1: return oag::Grammar::from_regex(text);
    case 2: return oag::Grammar::from_json_schema(oag::parse_json(text, "fuzz"));
    default: return oag::Grammar::from_choices(std::vector<std::string>{text, text + "a", "b"});
  }
}

void walk(oag::GrammarMatcher matcher, uint32_t seed) {
  const size_t tokens = matcher.compiled().vocabulary()->size_tokens();
  std::vector<uint32_t> bits(oag::mask_words(tokens));
  for (int step = 0; step < 50; ++step) {
    matcher.mask(bits);
    std::vector<oag::TokenId> allowed;
    for (size_t id = 0; id < tokens; ++id) {
      if ((bits[id / 32] >> (id % 32) & 1) != 0) allowed.push_back(static_cast<oag::TokenId>(id));
    }
    seed = seed * 1664525 + 1013904223;
    const oag::TokenId next = allowed[seed % allowed.size()];
    if (!matcher.accept(next)) std::abort();  // the mask allowed it
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto vocabulary = make_vocabulary();
  if (size < 2) return 0;
  try {
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
    walk(oag::GrammarMatcher(oag::CompiledGrammar::create(make_grammar(data[0], text), vocabulary)),
         data[size - 1]);
  } catch (const oag::Error&) {
  }
  return 0;
}
