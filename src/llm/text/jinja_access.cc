#include <algorithm>

#include "llm/text/jinja_markup.h"
#include "llm/text/jinja_methods.h"
#include "llm/text/jinja_operators.h"
#include "llm/text/jinja_text.h"

namespace oag::jinja {

namespace {

Value bind_method(Runtime& rt, const Value& object, const std::string& name) {
  Callable* callable = rt.make_callable();
  callable->type = Callable::Type::kMethod;
  callable->name = name;
  callable->self = object;
  return Value(callable);
}

Value missing_attribute(const Value& object, std::string_view name) {
  const bool is_type = !object.is_undefined() && !object.is_none();
  return Value::undefined(fmt::format("{} has no attribute '{}'",
                                      is_type ? fmt::format("{} object", type_name(object)) : "None", name));
}

Value loop_attribute(const Value& object, const std::string& name) {
  const Loop& loop = object.loop();
  const auto count = static_cast<int64_t>(loop.items->size());
  const auto index = static_cast<int64_t>(loop.index);
  if (name == "index") return Value(index + 1);
  if (name == "index0") return Value(index);
  if (name == "revindex") return Value(count - index);
  if (name == "revindex0") return Value(count - index - 1);
  if (name == "first") return Value(index == 0);
  if (name == "last") return Value(index + 1 == count);
  if (name == "length") return Value(count);
  if (name == "depth") return Value(static_cast<int64_t>(loop.depth) + 1);
  if (name == "depth0") return Value(static_cast<int64_t>(loop.depth));
  if (name == "previtem") {
    return index > 0 ? (*loop.items)[loop.index - 1] : Value::undefined("there is no previous item");
  }
  if (name == "nextitem") {
    return index + 1 < count ? (*loop.items)[loop.index + 1] : Value::undefined("there is no next item");
  }
  return missing_attribute(object, name);
}

// A method or attribute, or undefined.
Value own_attribute(Runtime& rt, const Value& object, const std::string& name) {
  if (name.starts_with("__")) rt.fail("access to attribute '{}' is not allowed", name);
  if (is_method(object, name)) return bind_method(rt, object, name);
  switch (object.kind()) {
    case Kind::kNamespace: {
      const Value* found = object.space().attributes.find(name);
      return found ? *found : missing_attribute(object, name);
    }
    case Kind::kLoop: return loop_attribute(object, name);
    case Kind::kCallable:
      if (object.callable().type == Callable::Type::kMacro && name == "name")
        return Value(object.callable().name);
      break;
    default: break;
  }
  return missing_attribute(object, name);
}

bool resolve_index(int64_t index, size_t count, size_t& position) {
  if (index < 0) index += static_cast<int64_t>(count);
  if (index < 0 || index >= static_cast<int64_t>(count)) return false;
  position = static_cast<size_t>(index);
  return true;
}

// One bound of a slice, clamped to [low, high] as Python does.
int64_t slice_bound(Runtime& rt, const Value& bound, int64_t fallback, int64_t count, int64_t low,
                    int64_t high) {
  if (bound.is_none()) return fallback;
  if (bound.is_undefined()) rt.fail("{}", bound.reason());
  if (!bound.is_integral()) rt.fail("a slice bound must be an integer, saw {}", type_name(bound));
  int64_t index = bound.integer();
  if (index < 0) index = index < -count ? low : index + count;
  return std::clamp(index, low, high);
}

}  // namespace

Value get_attribute(Runtime& rt, const Value& object, const std::string& name) {
  if (object.is_undefined()) rt.fail("{}", object.reason());
  if (object.is_dict() && !is_method(object, name)) {
    const Value* found = object.dict().find(name);
    return found ? *found : missing_attribute(object, name);
  }
  return own_attribute(rt, object, name);
}

Value get_item(Runtime& rt, const Value& object, const Value& key) {
  if (object.is_undefined()) rt.fail("{}", object.reason());
  if (object.is_dict() && Dict::can_be_key(key)) {
    if (const Value* found = object.dict().find(key)) return *found;
    if (key.is_string() && is_method(object, key.text())) return own_attribute(rt, object, key.text());
    return missing_attribute(object, key.is_string() ? key.text() : "that key");
  }
  if (key.is_integral() && object.is_string()) {
    const std::string& text = object.text();
    rt.spend_bytes(text.size());
    size_t position = 0;
    if (!resolve_index(key.integer(), count_code_points(text), position)) {
      return Value::undefined(fmt::format("str object has no element {}", key.integer()));
    }
    const size_t begin = byte_offset(text, position);
    size_t end = begin;
    next_code_point(text, end);
    return text_like(rt, object, text.substr(begin, end - begin));
  }
  if (key.is_integral() && object.is_list() && object.list().indexable()) {
    size_t position = 0;
    if (resolve_index(key.integer(), object.list().items.size(), position))
      return object.list().items[position];
    return Value::undefined(fmt::format("{} object has no element {}", type_name(object), key.integer()));
  }
  if (key.is_string()) return own_attribute(rt, object, key.text());
  return missing_attribute(object, "that element");
}

Value get_slice(Runtime& rt, const Value& object, const Value& start, const Value& stop, const Value& step) {
  if (object.is_undefined()) rt.fail("{}", object.reason());
  if (!object.is_string() && !(object.is_list() && object.list().indexable())) {
    rt.fail("a value of type {} cannot be sliced", type_name(object));
  }
  int64_t stride = 1;
  if (!step.is_none()) {
    if (!step.is_integral()) rt.fail("a slice step must be an integer, saw {}", type_name(step));
    stride = std::clamp<int64_t>(step.integer(), -INT64_MAX, INT64_MAX);
    if (stride == 0) rt.fail("a slice step cannot be zero");
  }
  // Characters are split off first: their bytes differ in number.
  std::vector<Value> characters;
  if (object.is_string()) characters = iterate(rt, object);
  const std::vector<Value>& items = object.is_string() ? characters : object.list().items;
  const auto count = static_cast<int64_t>(items.size());
  const int64_t low = stride > 0 ? 0 : -1;
  const int64_t high = stride > 0 ? count : count - 1;
  const int64_t first = slice_bound(rt, start, stride > 0 ? low : high, count, low, high);
  const int64_t last = slice_bound(rt, stop, stride > 0 ? high : low, count, low, high);
  std::vector<Value> picked;
  for (int64_t i = first; stride > 0 ? i < last : i > last;) {
    picked.push_back(items[static_cast<size_t>(i)]);
    if (__builtin_add_overflow(i, stride, &i)) break;
  }
  if (!object.is_string()) {
    const bool is_tuple = object.list().kind == ListKind::kTuple;
    return rt.list(std::move(picked), is_tuple ? ListKind::kTuple : ListKind::kList);
  }
  std::string text;
  for (const Value& character : picked) text += character.text();
  return text_like(rt, object, std::move(text));
}

std::vector<Value> iterate(Runtime& rt, const Value& value) {
  std::vector<Value> items;
  switch (value.kind()) {
    case Kind::kUndefined: return items;
    case Kind::kString: {
      const std::string& text = value.text();
      rt.spend(text.size() / 4);
      for (size_t i = 0; i < text.size();) {
        const size_t begin = i;
        next_code_point(text, i);
        items.emplace_back(text.substr(begin, i - begin));
      }
      return items;
    }
    case Kind::kList:
      rt.spend_items(value.list().items.size());
      if (value.list().kind == ListKind::kGenerator) return std::exchange(value.list().items, {});
      return value.list().items;
    case Kind::kDict:
      rt.spend_items(value.dict().entries.size());
      for (const auto& [key, item] : value.dict().entries) items.push_back(key);
      return items;
    default: rt.fail("a value of type {} cannot be iterated over", type_name(value));
  }
}

int64_t length(Runtime& rt, const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined: return 0;
    case Kind::kString:
      rt.spend_bytes(value.text().size());
      return static_cast<int64_t>(count_code_points(value.text()));
    case Kind::kList:
      if (value.list().kind == ListKind::kGenerator) break;
      return static_cast<int64_t>(value.list().items.size());
    case Kind::kDict: return static_cast<int64_t>(value.dict().entries.size());
    case Kind::kLoop: return static_cast<int64_t>(value.loop().items->size());
    default: break;
  }
  rt.fail("a value of type {} has no length", type_name(value));
}

}  // namespace oag::jinja
