#pragma once

#include <string_view>

#include "llm/text/jinja_runtime.h"

namespace oag::jinja {

// The functions that every template sees: raise_exception, strftime_now, range, dict, namespace, joiner.
bool is_global(std::string_view name);
Value call_global(Runtime& rt, std::string_view name, const CallArgs& args);

}  // namespace oag::jinja
