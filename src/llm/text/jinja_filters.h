#pragma once

#include <span>
#include <string_view>

#include "llm/text/jinja_runtime.h"

namespace oag::jinja {

using FilterFunction = Value (*)(Runtime& rt, const Value& value, const CallArgs& args);

struct FilterEntry {
  std::string_view name;
  FilterFunction apply;
};

// Filters on single values, and on sequences.
std::span<const FilterEntry> value_filters();
std::span<const FilterEntry> sequence_filters();

bool has_filter(std::string_view name);
// value | name(args). Fails for a filter that does not exist.
Value apply_filter(Runtime& rt, std::string_view name, const Value& value, const CallArgs& args);

bool has_test(std::string_view name);
// value is name(args). Fails for a test that does not exist.
bool apply_test(Runtime& rt, std::string_view name, const Value& value, const CallArgs& args);

}  // namespace oag::jinja
