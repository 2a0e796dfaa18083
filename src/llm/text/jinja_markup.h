#pragma once

#include <string>
#include <string_view>

#include "llm/text/jinja_runtime.h"

namespace oag::jinja {

// Marked-up texts. Chat templates run without automatic escaping, yet a text that passed `safe` or `escape`
// still escapes what is joined to it by `+`, `%` or its methods. Templates in use depend on it, so it is
// kept.

// Replaces & < > ' " by HTML entities.
std::string escape_html(std::string_view text);

// `value` as an operand of a marked-up text: texts that are not marked up are escaped, other values stay.
Value escape_operand(Runtime& rt, const Value& value);

// The text `like` became, marked up if `like` is.
Value text_like(Runtime& rt, const Value& like, std::string text);

// A str method called on a marked-up text: its arguments are escaped and its results marked up.
Value call_markup_method(Runtime& rt, const Value& self, const std::string& name, CallArgs args);

}  // namespace oag::jinja
