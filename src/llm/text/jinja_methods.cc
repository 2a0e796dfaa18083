#include "llm/text/jinja_methods.h"

#include <algorithm>
#include <array>
#include <span>

#include "llm/text/jinja_arguments.h"
#include "llm/text/jinja_markup.h"
#include "llm/text/jinja_operators.h"
#include "llm/text/jinja_string_methods.h"

namespace oag::jinja {

namespace {

constexpr auto kDictMethods = std::to_array<std::string_view>(
    {"keys", "values", "items", "get", "copy", "pop", "popitem", "update", "clear", "setdefault"});
constexpr auto kListMethods = std::to_array<std::string_view>(
    {"index", "count", "copy", "append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse"});
constexpr auto kTupleMethods = std::to_array<std::string_view>({"index", "count"});
constexpr auto kLoopMethods = std::to_array<std::string_view>({"cycle", "changed"});

std::span<const std::string_view> methods_of(const Value& object) {
  switch (object.kind()) {
    case Kind::kDict: return kDictMethods;
    case Kind::kList:
      if (object.list().kind == ListKind::kList) return kListMethods;
      if (object.list().indexable()) return kTupleMethods;
      return {};
    case Kind::kLoop: return kLoopMethods;
    default: return {};
  }
}

Value dict_items(Runtime& rt, const Dict& dict) {
  std::vector<Value> pairs;
  for (const auto& [key, value] : dict.entries) pairs.push_back(rt.list({key, value}, ListKind::kTuple));
  rt.spend(pairs.size());
  return rt.list(std::move(pairs), ListKind::kItems);
}

Value call_dict_method(Runtime& rt, const Dict& dict, const std::string& name, const CallArgs& args) {
  if (name == "get") {
    const Arguments bound(rt, "dict.get", args, {"key", "default"}, 1);
    if (!Dict::can_be_key(bound[0])) rt.fail("a value of type {} cannot be a key", type_name(bound[0]));
    const Value* found = dict.find(bound[0]);
    return found ? *found : bound.get(1, Value::none());
  }
  const Arguments bound(rt, "dict." + name, args, {});
  if (name == "items") return dict_items(rt, dict);
  if (name == "copy") {
    rt.spend(dict.entries.size());
    Dict* copy = rt.make_dict();
    *copy = dict;
    return Value(copy);
  }
  std::vector<Value> column;
  for (const auto& [key, value] : dict.entries) column.push_back(name == "keys" ? key : value);
  return rt.list(std::move(column), name == "keys" ? ListKind::kKeys : ListKind::kValues);
}

Value call_list_method(Runtime& rt, const List& list, const std::string& name, const CallArgs& args) {
  if (name == "copy") {
    const Arguments bound(rt, "list.copy", args, {});
    return rt.list(list.items);
  }
  const Arguments bound(rt, "list." + name, args, {"value"}, 1);
  int64_t count = 0;
  for (size_t i = 0; i < list.items.size(); ++i) {
    if (!equals(rt, list.items[i], bound[0])) continue;
    if (name == "index") return Value(static_cast<int64_t>(i));
    ++count;
  }
  if (name == "index") rt.fail("list.index did not find the value");
  return Value(count);
}

Value call_loop_method(Runtime& rt, Loop& loop, const std::string& name, const CallArgs& args) {
  if (name == "cycle") {
    if (args.positional.empty()) rt.fail("loop.cycle needs an argument");
    return args.positional[loop.index % args.positional.size()];
  }
  const Value now = rt.list(args.positional, ListKind::kTuple);
  const bool changed = !loop.has_last_checked || !equals(rt, now, loop.last_checked);
  loop.has_last_checked = true;
  loop.last_checked = now;
  return Value(changed);
}

bool changes_dict(std::string_view name) {
  return name == "pop" || name == "popitem" || name == "update" || name == "clear" || name == "setdefault";
}

}  // namespace

bool is_method(const Value& object, std::string_view name) {
  if (object.is_string()) return is_string_method(name);
  const auto methods = methods_of(object);
  return std::find(methods.begin(), methods.end(), name) != methods.end();
}

Value call_method(Runtime& rt, const Value& self, const std::string& name, const CallArgs& args) {
  if (self.is_markup()) return call_markup_method(rt, self, name, args);
  if (self.is_string()) return call_string_method(rt, self.text(), name, args);
  if (self.is(Kind::kLoop)) return call_loop_method(rt, self.loop(), name, args);
  const bool changes =
      self.is_dict() ? changes_dict(name) : name != "index" && name != "count" && name != "copy";
  if (changes) {
    rt.fail(
        "{}.{}() is not allowed: values are immutable in chat templates; build a new one with '+' or a "
        "namespace",
        type_name(self), name);
  }
  return self.is_dict() ? call_dict_method(rt, self.dict(), name, args)
                        : call_list_method(rt, self.list(), name, args);
}

}  // namespace oag::jinja
