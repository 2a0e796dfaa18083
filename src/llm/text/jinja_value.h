#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace oag::jinja {

struct Macro;
struct Stmt;
class Scope;
struct List;
struct Dict;
struct Namespace;
struct Loop;
struct Callable;

enum class Kind : uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kDict,
  kNamespace,
  kLoop,
  kCallable,
};

// One value of a running template, cheap to copy. Strings are shared; containers and objects are borrowed
// from the Runtime that made them, so cycles and long chains are freed flat, without recursion.
class Value {
 public:
  Value() = default;  // undefined without an explanation
  explicit Value(bool value) : kind_(Kind::kBool) { data_.boolean = value; }
  explicit Value(int64_t value) : kind_(Kind::kInt) { data_.integer = value; }
  explicit Value(double value) : kind_(Kind::kFloat) { data_.number = value; }
  explicit Value(std::string text)
      : kind_(Kind::kString), text_(std::make_shared<const std::string>(std::move(text))) {}
  explicit Value(List* list) : kind_(Kind::kList) { data_.list = list; }
  explicit Value(Dict* dict) : kind_(Kind::kDict) { data_.dict = dict; }
  explicit Value(Namespace* space) : kind_(Kind::kNamespace) { data_.space = space; }
  explicit Value(Loop* loop) : kind_(Kind::kLoop) { data_.loop = loop; }
  explicit Value(Callable* callable) : kind_(Kind::kCallable) { data_.callable = callable; }

  // A text that the `safe` or `escape` filter made: joined to other texts with `+`, it escapes them.
  static Value markup(std::string text) {
    Value value(std::move(text));
    value.is_markup_ = true;
    return value;
  }
  static Value none() { return Value(Kind::kNone); }
  // `reason` says what was missing, for the error that follows if the value is used.
  static Value undefined(std::string reason) {
    Value value;
    value.text_ = std::make_shared<const std::string>(std::move(reason));
    return value;
  }

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_undefined() const { return kind_ == Kind::kUndefined; }
  bool is_none() const { return kind_ == Kind::kNone; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_markup() const { return is_markup_; }
  bool is_list() const { return kind_ == Kind::kList; }
  bool is_dict() const { return kind_ == Kind::kDict; }
  // bool or int: Python's bool is an int
  bool is_integral() const { return kind_ == Kind::kInt || kind_ == Kind::kBool; }
  bool is_number() const { return is_integral() || kind_ == Kind::kFloat; }

  // Each accessor is valid for its own kind only.
  bool boolean() const { return data_.boolean; }
  int64_t integer() const { return kind_ == Kind::kBool ? data_.boolean : data_.integer; }
  double number() const { return kind_ == Kind::kFloat ? data_.number : static_cast<double>(integer()); }
  const std::string& text() const { return *text_; }
  List& list() const { return *data_.list; }
  Dict& dict() const { return *data_.dict; }
  Namespace& space() const { return *data_.space; }
  Loop& loop() const { return *data_.loop; }
  Callable& callable() const { return *data_.callable; }
  // Why an undefined value is undefined.
  std::string_view reason() const { return text_ ? std::string_view(*text_) : "a value is undefined"; }

 private:
  explicit Value(Kind kind) : kind_(kind) {}

  Kind kind_ = Kind::kUndefined;
  bool is_markup_ = false;
  union {
    bool boolean;
    int64_t integer;
    double number;
    List* list;
    Dict* dict;
    Namespace* space;
    Loop* loop;
    Callable* callable;
  } data_ = {};
  std::shared_ptr<const std::string> text_;
};

// Python's kinds of ordered collections that templates can tell apart.
enum class ListKind : uint8_t { kList, kTuple, kRange, kKeys, kValues, kItems, kGenerator };

struct List {
  ListKind kind = ListKind::kList;
  std::vector<Value> items;
  std::string description;  // how a range prints

  // list, tuple and range can be indexed; views and generators can only be walked.
  bool indexable() const { return kind <= ListKind::kRange; }
};

// An insertion-ordered mapping with scalar keys (none, bool, number, string), equal as Python compares them.
struct Dict {
  std::vector<std::pair<Value, Value>> entries;

  static bool can_be_key(const Value& key);
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  void set(Value key, Value value);

 private:
  std::unordered_multimap<size_t, uint32_t> index_;  // filled once the dict is too long to scan
};

// namespace(): the one object that `set` can change.
struct Namespace {
  Dict attributes;
};

// What `loop` means inside a for body.
struct Loop {
  const std::vector<Value>* items = nullptr;
  size_t index = 0;
  size_t depth = 0;
  bool has_last_checked = false;
  Value last_checked;               // argument of the last loop.changed()
  const Stmt* statement = nullptr;  // set for `recursive` loops, together with the scope around the loop
  Scope* scope = nullptr;
};

// The evaluated arguments of a call.
struct CallArgs {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> keywords;
};

struct Callable {
  enum class Type : uint8_t { kGlobal, kMethod, kMacro, kJoiner };

  Type type = Type::kGlobal;
  std::string name;
  Value self;                    // kMethod: the object; kJoiner: the separator
  const Macro* macro = nullptr;  // kMacro
  Scope* scope = nullptr;        // kMacro: where it was defined
  bool used = false;             // kJoiner: whether the first call happened
};

// Python's truth of a value.
bool truthy(const Value& value);

// Python's name of the value's type, for error messages: "str", "dict", …
std::string_view type_name(const Value& value);

}  // namespace oag::jinja
