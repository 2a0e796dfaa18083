#pragma once

#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "llm/text/grammar.h"
#include "llm/text/grammar_rules.h"

namespace oag {

// Adds the rules of a GBNF text to `rules` and returns its `root`. Errors: as Grammar::from_gbnf.
GrammarRules::Rule read_gbnf(std::string_view text, GrammarRules& rules);

// How a set of characters is written: as itself, or as inside a JSON string.
using CharWriter = FunctionRef<GrammarRules::Expression(std::vector<CharRange>)>;

enum class RegexMatch : uint8_t {
  kWhole,   // the pattern describes the whole text
  kSearch,  // the text holds a match, at its start behind ^ and at its end before $
};

// The texts that `pattern` matches. Errors: as Grammar::from_regex.
GrammarRules::Expression read_regex(std::string_view pattern, std::string_view where, RegexMatch match,
                                    GrammarRules& rules, CharWriter write_chars);

}  // namespace oag
