#pragma once

#include <string_view>

#include "llm/text/jinja_runtime.h"

namespace oag::jinja {

// Methods of str, list, dict and loop. Those that would change a list or dict exist and refuse: values are
// immutable in chat templates, as they are in the sandbox of transformers.

// Whether `object` has a method of this name.
bool is_method(const Value& object, std::string_view name);

// Calls a method for which is_method() holds.
Value call_method(Runtime& rt, const Value& self, const std::string& name, const CallArgs& args);

}  // namespace oag::jinja
