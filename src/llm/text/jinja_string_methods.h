#pragma once

#include <string>
#include <string_view>

#include "llm/text/jinja_runtime.h"

namespace oag::jinja {

// Python's str methods.
bool is_string_method(std::string_view name);
Value call_string_method(Runtime& rt, const std::string& self, const std::string& name, const CallArgs& args);

// text.replace(from, to), at most `count` times when it is not negative.
Value replace_text(Runtime& rt, std::string_view text, std::string_view from, std::string_view to,
                   int64_t count);

}  // namespace oag::jinja
