#include <algorithm>

#include "llm/text/jinja_arguments.h"
#include "llm/text/jinja_filters.h"
#include "llm/text/jinja_operators.h"
#include "llm/text/jinja_print.h"
#include "llm/text/jinja_text.h"

namespace oag::jinja {

namespace {

Value generator(Runtime& rt, std::vector<Value> items) {
  return rt.list(std::move(items), ListKind::kGenerator);
}

bool is_index(std::string_view text) {
  return !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// item.a.b for the attribute "a.b"; parts of digits are indices. A missing last part gives `fallback` if
// there is one.
Value dotted_attribute(Runtime& rt, Value item, const Value& attribute, const Value* fallback = nullptr) {
  if (attribute.is_integral()) {
    item = get_item(rt, item, attribute);
    return item.is_undefined() && fallback ? *fallback : item;
  }
  if (!attribute.is_string())
    rt.fail("an attribute must be a text or an integer, saw {}", type_name(attribute));
  std::string_view path = attribute.text();
  for (;;) {
    const size_t dot = path.find('.');
    const std::string part(path.substr(0, dot));
    const Value key = is_index(part) ? Value(static_cast<int64_t>(std::stoll(part))) : Value(part);
    rt.spend(1);
    item = get_item(rt, item, key);
    if (item.is_undefined() && fallback) item = *fallback;
    if (dot == std::string_view::npos) return item;
    path.remove_prefix(dot + 1);
  }
}

Value fold_case(Runtime& rt, const Value& value) {
  return value.is_string() ? rt.text(to_lower(value.text())) : value;
}

// The value by which sort, unique, min and max compare an item.
Value sort_key(Runtime& rt, const Value& item, const Value* attribute, bool case_sensitive) {
  const Value key = attribute && !attribute->is_none() ? dotted_attribute(rt, item, *attribute) : item;
  return case_sensitive ? key : fold_case(rt, key);
}

Value first(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "first", args, {});
  if (value.is_string()) {
    const std::string& text = value.text();
    size_t end = 0;
    if (text.empty()) return Value::undefined("first of an empty text");
    next_code_point(text, end);
    return Value(text.substr(0, end));
  }
  const std::vector<Value> items = iterate(rt, value);
  return items.empty() ? Value::undefined("first of an empty sequence") : items.front();
}

Value last(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "last", args, {});
  if (value.is_list() && value.list().kind == ListKind::kGenerator)
    rt.fail("a generator cannot be read backwards");
  const std::vector<Value> items = iterate(rt, value);
  return items.empty() ? Value::undefined("last of an empty sequence") : items.back();
}

Value count(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "length", args, {});
  return Value(length(rt, value));
}

Value list(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "list", args, {});
  return rt.list(iterate(rt, value));
}

Value join(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "join", args, {"d", "attribute"});
  const std::string separator = bound.has(0) ? to_text(rt, bound[0]) : "";
  std::string out;
  bool is_first = true;
  for (const Value& item : iterate(rt, value)) {
    if (!is_first) rt.append(out, separator);
    is_first = false;
    const bool by_attribute = bound.has(1) && !bound[1].is_none();
    rt.append(out, to_text(rt, by_attribute ? dotted_attribute(rt, item, bound[1]) : item));
  }
  return Value(std::move(out));
}

Value items(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "items", args, {});
  if (value.is_undefined()) return generator(rt, {});
  if (!value.is_dict()) rt.fail("items needs a dict, saw {}", type_name(value));
  std::vector<Value> pairs;
  rt.spend(value.dict().entries.size());
  for (const auto& [key, item] : value.dict().entries)
    pairs.push_back(rt.list({key, item}, ListKind::kTuple));
  return generator(rt, std::move(pairs));
}

// The items in the order of their keys.
std::vector<Value> sorted(Runtime& rt, const std::vector<Value>& keys, const std::vector<Value>& values,
                          bool reverse) {
  rt.spend(keys.size());
  std::vector<Value> out;
  for (const size_t i : sorted_order(rt, keys, reverse)) out.push_back(values[i]);
  return out;
}

Value dict_sort(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "dictsort", args, {"case_sensitive", "by", "reverse"});
  if (!value.is_dict()) rt.fail("dictsort needs a dict, saw {}", type_name(value));
  const std::string by = bound.text(1, "key");
  if (by != "key" && by != "value") rt.fail("dictsort sorts by key or value, not by '{}'", by);
  std::vector<Value> keys;
  std::vector<Value> pairs;
  for (const auto& [key, item] : value.dict().entries) {
    const Value& field = by == "key" ? key : item;
    keys.push_back(bound.flag(0, false) ? field : fold_case(rt, field));
    pairs.push_back(rt.list({key, item}, ListKind::kTuple));
  }
  return rt.list(sorted(rt, keys, pairs, bound.flag(2, false)));
}

// The keys of several attributes "a,b" make a tuple.
Value multi_key(Runtime& rt, const Value& item, const Value* attribute, bool case_sensitive) {
  if (!attribute || !attribute->is_string()) return sort_key(rt, item, attribute, case_sensitive);
  std::vector<Value> keys;
  std::string_view rest = attribute->text();
  for (;;) {
    const size_t comma = rest.find(',');
    const Value part{std::string(rest.substr(0, comma))};
    keys.push_back(sort_key(rt, item, &part, case_sensitive));
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  return keys.size() == 1 ? keys[0] : rt.list(std::move(keys), ListKind::kTuple);
}

Value sort(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "sort", args, {"reverse", "case_sensitive", "attribute"});
  const std::vector<Value> values = iterate(rt, value);
  std::vector<Value> keys;
  for (const Value& item : values) {
    keys.push_back(multi_key(rt, item, bound.has(2) ? &bound[2] : nullptr, bound.flag(1, false)));
  }
  return rt.list(sorted(rt, keys, values, bound.flag(0, false)));
}

Value unique(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "unique", args, {"case_sensitive", "attribute"});
  std::vector<Value> out;
  std::vector<Value> odd_keys;  // keys that no dict takes, compared one by one
  Dict seen;
  for (const Value& item : iterate(rt, value)) {
    const Value key = sort_key(rt, item, bound.has(1) ? &bound[1] : nullptr, bound.flag(0, false));
    rt.spend(1);
    if (Dict::can_be_key(key)) {
      if (seen.find(key)) continue;
      seen.set(key, Value::none());
    } else {
      const bool tuple = key.is_list() && key.list().kind == ListKind::kTuple;
      if (!tuple && !key.is_undefined()) rt.fail("unique cannot compare values of type {}", type_name(key));
      if (std::any_of(odd_keys.begin(), odd_keys.end(),
                      [&](const Value& known) { return equals(rt, known, key); })) {
        continue;
      }
      odd_keys.push_back(key);
    }
    out.push_back(item);
  }
  return generator(rt, std::move(out));
}

template <bool kMax>
Value extreme(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, kMax ? "max" : "min", args, {"case_sensitive", "attribute"});
  Value best = Value::undefined("min or max of an empty sequence");
  Value best_key;
  bool is_first = true;
  for (const Value& item : iterate(rt, value)) {
    const Value key = sort_key(rt, item, bound.has(1) ? &bound[1] : nullptr, bound.flag(0, false));
    if (is_first || (kMax ? less(rt, best_key, key) : less(rt, key, best_key))) {
      best = item;
      best_key = key;
    }
    is_first = false;
  }
  return best;
}

Value sum(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "sum", args, {"attribute", "start"});
  Value total = bound.get(1, Value(int64_t{0}));
  if (total.is_string()) rt.fail("sum cannot add texts; use join");
  for (const Value& item : iterate(rt, value)) {
    const bool by_attribute = bound.has(0) && !bound[0].is_none();
    total = arithmetic(rt, Op::kAdd, total, by_attribute ? dotted_attribute(rt, item, bound[0]) : item);
  }
  return total;
}

Value reverse(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "reverse", args, {});
  std::vector<Value> out = iterate(rt, value);
  std::reverse(out.begin(), out.end());
  if (!value.is_string()) return generator(rt, std::move(out));
  std::string text;
  for (const Value& character : out) text += character.text();
  return rt.text(std::move(text));
}

Value map(Runtime& rt, const Value& value, const CallArgs& args) {
  std::vector<Value> out;
  if (!truthy(value)) return generator(rt, {});  // none and other empty values map to nothing
  if (args.positional.empty()) {
    const Arguments bound(rt, "map", args, {"attribute", "default"}, 1);
    for (const Value& item : iterate(rt, value)) {
      out.push_back(dotted_attribute(rt, item, bound[0], bound.has(1) ? &bound[1] : nullptr));
    }
    return generator(rt, std::move(out));
  }
  if (!args.positional[0].is_string()) rt.fail("map needs the name of a filter");
  const std::string filter = args.positional[0].text();
  const CallArgs rest{{args.positional.begin() + 1, args.positional.end()}, args.keywords};
  for (const Value& item : iterate(rt, value)) out.push_back(apply_filter(rt, filter, item, rest));
  return generator(rt, std::move(out));
}

// select, reject, selectattr, rejectattr: keeps the items whose test gives kKeep.
template <bool kKeep, bool kAttribute>
Value select(Runtime& rt, const Value& value, const CallArgs& args) {
  if (!truthy(value)) return generator(rt, {});
  const size_t used = kAttribute ? 1 : 0;
  if (args.positional.size() < used) rt.fail("selectattr and rejectattr need the name of an attribute");
  const bool has_name = args.positional.size() > used;
  if (has_name && !args.positional[used].is_string()) rt.fail("select and reject need the name of a test");
  CallArgs rest;
  if (has_name) {
    rest = {{args.positional.begin() + static_cast<std::ptrdiff_t>(used) + 1, args.positional.end()},
            args.keywords};
  }
  std::vector<Value> out;
  for (const Value& item : iterate(rt, value)) {
    const Value subject = kAttribute ? dotted_attribute(rt, item, args.positional[0]) : item;
    const bool holds =
        has_name ? apply_test(rt, args.positional[used].text(), subject, rest) : truthy(subject);
    if (holds == kKeep) out.push_back(item);
  }
  return generator(rt, std::move(out));
}

Value batch(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "batch", args, {"linecount", "fill_with"}, 1);
  const int64_t size = bound.integer(0, 1);
  if (size < 1) rt.fail("batch needs a positive size");
  std::vector<Value> rows;
  std::vector<Value> row;
  for (const Value& item : iterate(rt, value)) {
    row.push_back(item);
    if (static_cast<int64_t>(row.size()) < size) continue;
    rows.push_back(rt.list(std::exchange(row, {})));
    rt.spend(1);
  }
  if (!row.empty()) {
    const bool fill = bound.has(1) && !bound[1].is_none();
    if (fill) rt.spend(static_cast<size_t>(size) - row.size());
    if (fill) row.resize(static_cast<size_t>(size), bound[1]);
    rows.push_back(rt.list(std::move(row)));
  }
  return generator(rt, std::move(rows));
}

Value group_by(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "groupby", args, {"attribute", "default", "case_sensitive"}, 1);
  const Value* fallback = bound.has(1) && !bound[1].is_none() ? &bound[1] : nullptr;
  const auto exact_key = [&](const Value& item) { return dotted_attribute(rt, item, bound[0], fallback); };
  const auto key = [&](const Value& item) {
    return bound.flag(2, false) ? exact_key(item) : fold_case(rt, exact_key(item));
  };
  const std::vector<Value> values = iterate(rt, value);
  std::vector<Value> keys;
  for (const Value& item : values) keys.push_back(key(item));
  std::vector<Value> groups;
  std::vector<Value> members;
  Value group_key;
  const auto close_group = [&] {
    if (members.empty()) return;
    rt.spend(1);
    const Value name = exact_key(members.front());
    groups.push_back(rt.list({name, rt.list(std::exchange(members, {}))}, ListKind::kTuple));
  };
  for (const Value& item : sorted(rt, keys, values, false)) {
    const Value item_key = key(item);
    if (!members.empty() && !equals(rt, group_key, item_key)) close_group();
    group_key = item_key;
    members.push_back(item);
  }
  close_group();
  return rt.list(std::move(groups));
}

constexpr FilterEntry kFilters[] = {
    {"batch", batch},
    {"count", count},
    {"dictsort", dict_sort},
    {"first", first},
    {"groupby", group_by},
    {"items", items},
    {"join", join},
    {"last", last},
    {"length", count},
    {"list", list},
    {"map", map},
    {"max", extreme<true>},
    {"min", extreme<false>},
    {"reject", select<false, false>},
    {"rejectattr", select<false, true>},
    {"reverse", reverse},
    {"select", select<true, false>},
    {"selectattr", select<true, true>},
    {"sort", sort},
    {"sum", sum},
    {"unique", unique},
};

}  // namespace

std::span<const FilterEntry> sequence_filters() {
  return kFilters;
}

}  // namespace oag::jinja
