#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "llm/text/grammar_json_text.h"

namespace oag {

// The strings that minLength, maxLength, pattern and format of `schema` allow. Errors: kUnsupported for
// formats that are not known and for a pattern beside lengths that it does not imply.
GrammarRules::Expression read_string_schema(const Json& schema, const std::string& where, JsonText& json,
                                            GrammarRules& rules);

// A number of characters, items or members.
uint32_t read_count(const Json& schema, const char* keyword, uint32_t otherwise, std::string_view where);

}  // namespace oag
