#pragma once

#include <string>
#include <string_view>

#include "llm/text/jinja_runtime.h"

namespace oag::jinja {

// `format % value` as Python's str does it.
std::string percent_format(Runtime& rt, std::string_view format, const Value& value);

// format.format(args) as Python's str does it; fields name positions or keywords, without attributes or
// indices.
std::string brace_format(Runtime& rt, std::string_view format, const CallArgs& args);

}  // namespace oag::jinja
