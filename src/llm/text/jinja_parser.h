#pragma once

#include <string_view>

#include "llm/text/jinja_ast.h"

namespace oag::jinja {

// Parses a chat template. Known statements: if, for, set, macro, call, filter, with, raw, generation
// (rendered as its body), break, continue. Errors: kCorruptData with name:line:column and what was expected;
// nesting beyond a fixed depth is refused, so that neither the parser nor the evaluator can exhaust the
// stack.
Body parse_template(std::string_view source, std::string_view name);

}  // namespace oag::jinja
