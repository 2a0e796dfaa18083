#pragma once

#include <string_view>

#include "llm/text/jinja_runtime.h"

namespace oag::jinja {

// Python's operators on template values. All charge the runtime for their work and fail at its current
// position.

// left op right for arithmetic operators.
Value arithmetic(Runtime& rt, Op op, const Value& left, const Value& right);
Value negate(Runtime& rt, const Value& value);
Value positive(Runtime& rt, const Value& value);

bool equals(Runtime& rt, const Value& left, const Value& right);
// left < right; fails for types that Python does not order.
bool less(Runtime& rt, const Value& left, const Value& right);
// The positions of `keys` in rising (or falling) order; equal keys keep their order, as in Python's sorted().
std::vector<size_t> sorted_order(Runtime& rt, const std::vector<Value>& keys, bool reverse);
bool compare(Runtime& rt, Op op, const Value& left, const Value& right);
bool contains(Runtime& rt, const Value& container, const Value& item);

// object.name: methods and attributes first, then items.
Value get_attribute(Runtime& rt, const Value& object, const std::string& name);
// object[key]: items first, then methods and attributes.
Value get_item(Runtime& rt, const Value& object, const Value& key);
// object[start:stop:step]; absent bounds are none.
Value get_slice(Runtime& rt, const Value& object, const Value& start, const Value& stop, const Value& step);

// The items that iterating over `value` yields; keys for a dict, characters for a string, nothing for
// undefined. A generator is emptied.
std::vector<Value> iterate(Runtime& rt, const Value& value);
// len(value).
int64_t length(Runtime& rt, const Value& value);

}  // namespace oag::jinja
