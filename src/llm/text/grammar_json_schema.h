#pragma once

#include <string_view>

#include "base/json.h"
#include "llm/text/grammar.h"
#include "llm/text/grammar_rules.h"

namespace oag {

// Adds the rules of the JSON texts that are valid under `schema` to `rules` and returns the root. Errors: as
// Grammar::from_json_schema.
GrammarRules::Rule read_json_schema(const Json& schema, std::string_view where, JsonWhitespace whitespace,
                                    GrammarRules& rules);

}  // namespace oag
