#include "llm/text/jinja_value.h"

#include <cmath>
#include <functional>

namespace oag::jinja {

namespace {

constexpr size_t kScanLimit = 12;  // dicts up to this length are searched without an index

size_t hash_key(const Value& key) {
  if (key.is_string()) return std::hash<std::string_view>()(key.text());
  if (key.is_number()) return std::hash<double>()(key.number() + 0.0);
  return 0;
}

bool equal_keys(const Value& a, const Value& b) {
  if (a.is_string() || b.is_string()) return a.is_string() && b.is_string() && a.text() == b.text();
  if (a.is_integral() && b.is_integral()) return a.integer() == b.integer();
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  return a.kind() == b.kind();
}

}  // namespace

bool Dict::can_be_key(const Value& key) {
  return key.is_string() || key.is_number() || key.is_none();
}

const Value* Dict::find(const Value& key) const {
  if (index_.empty()) {
    for (const auto& [name, value] : entries) {
      if (equal_keys(name, key)) return &value;
    }
    return nullptr;
  }
  const auto [first, last] = index_.equal_range(hash_key(key));
  for (auto it = first; it != last; ++it) {
    if (equal_keys(entries[it->second].first, key)) return &entries[it->second].second;
  }
  return nullptr;
}

const Value* Dict::find(std::string_view key) const {
  if (!index_.empty()) return find(Value(std::string(key)));
  for (const auto& [name, value] : entries) {
    if (name.is_string() && name.text() == key) return &value;
  }
  return nullptr;
}

void Dict::set(Value key, Value value) {
  if (const Value* known = find(key)) {
    *const_cast<Value*>(known) = std::move(value);
    return;
  }
  entries.emplace_back(std::move(key), std::move(value));
  if (entries.size() <= kScanLimit) return;
  for (size_t i = index_.size(); i < entries.size(); ++i) {
    index_.emplace(hash_key(entries[i].first), static_cast<uint32_t>(i));
  }
}

bool truthy(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone: return false;
    case Kind::kBool: return value.boolean();
    case Kind::kInt: return value.integer() != 0;
    case Kind::kFloat: return value.number() != 0;
    case Kind::kString: return !value.text().empty();
    case Kind::kList:  // a Python generator is true even when it yields nothing
      return value.list().kind == ListKind::kGenerator || !value.list().items.empty();
    case Kind::kDict: return !value.dict().entries.empty();
    case Kind::kNamespace:
    case Kind::kLoop:
    case Kind::kCallable: return true;
  }
  return false;
}

std::string_view type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined: return "undefined";
    case Kind::kNone: return "None";
    case Kind::kBool: return "bool";
    case Kind::kInt: return "int";
    case Kind::kFloat: return "float";
    case Kind::kString: return "str";
    case Kind::kList:
      switch (value.list().kind) {
        case ListKind::kList: return "list";
        case ListKind::kTuple: return "tuple";
        case ListKind::kRange: return "range";
        case ListKind::kGenerator: return "generator";
        default: return "dict view";
      }
    case Kind::kDict: return "dict";
    case Kind::kNamespace: return "namespace";
    case Kind::kLoop: return "loop";
    case Kind::kCallable: return "function";
  }
  return "value";
}

}  // namespace oag::jinja
