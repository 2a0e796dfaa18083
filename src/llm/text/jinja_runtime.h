#pragma once

#include <fmt/format.h>

#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "llm/text/chat_template.h"
#include "llm/text/jinja_ast.h"
#include "llm/text/jinja_value.h"

namespace oag::jinja {

// The names visible at one place; lookups go on in the enclosing scopes.
class Scope {
 public:
  explicit Scope(Scope* parent) : parent_(parent) {}

  Scope* parent() const { return parent_; }
  size_t size() const { return names_.size(); }
  const Value* find(std::string_view name) const {
    for (const auto& [key, value] : names_) {
      if (key == name) return &value;
    }
    return nullptr;
  }
  // `name` must outlive the render: it comes from the template or the context.
  void set(std::string_view name, Value value) {
    for (auto& [key, known] : names_) {
      if (key == name) {
        known = std::move(value);
        return;
      }
    }
    names_.emplace_back(name, std::move(value));
  }

 private:
  Scope* parent_;
  std::vector<std::pair<std::string_view, Value>> names_;
};

// What one render owns and may still use: containers and scopes, the remaining steps, the place for error
// messages. A step pays for one evaluated node, 256 bytes of text made or 8 items made, so the step limit
// bounds time and memory.
class Runtime {
 public:
  Runtime(std::string_view name, const RenderLimits& limits) : name_(name), limits_(limits) {}
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  const RenderLimits& limits() const { return limits_; }

  // Sets the place that errors name.
  void at(Position position) { position_ = position; }
  Position position() const { return position_; }

  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    raise(ErrorCode::kInvalidArgument, fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  [[noreturn]] void fail_limit(fmt::format_string<Args...> format, Args&&... args) const {
    raise(ErrorCode::kUnsupported, fmt::format(format, std::forward<Args>(args)...));
  }

  void spend(size_t steps) {
    if (steps > limits_.max_steps - used_)
      fail_limit("the template needs more than {} steps", limits_.max_steps);
    used_ += steps;
  }
  void spend_items(size_t count) { spend(count / 8); }
  void spend_bytes(size_t count) { spend(count / 256); }
  // Pays for searching a text of `text` bytes for one of `pattern` bytes, which is quadratic at worst.
  void spend_search(size_t text, size_t pattern) {
    spend((text / 64) * (pattern / 64) + (text + pattern) / 256);
  }

  // Appends within the size that a text may have.
  void append(std::string& out, std::string_view text) {
    check_size(out.size() + text.size());
    spend_bytes(text.size());
    out += text;
  }
  // Refuses sizes that a text may not have; call it before making the text.
  void check_size(size_t bytes) const {
    if (bytes > limits_.max_output_bytes) {
      fail_limit("a text or the output grows past {} bytes", limits_.max_output_bytes);
    }
  }
  Value text(std::string text) {
    check_size(text.size());
    spend_bytes(text.size());
    return Value(std::move(text));
  }

  List* make_list(ListKind kind = ListKind::kList) {
    lists_.emplace_back().kind = kind;
    return &lists_.back();
  }
  Value list(std::vector<Value> items, ListKind kind = ListKind::kList) {
    spend_items(items.size());
    List* list = make_list(kind);
    list->items = std::move(items);
    return Value(list);
  }
  Dict* make_dict() { return &dicts_.emplace_back(); }
  Namespace* make_namespace() { return &spaces_.emplace_back(); }
  Loop* make_loop() { return &loops_.emplace_back(); }
  Callable* make_callable() { return &callables_.emplace_back(); }
  Scope* make_scope(Scope* parent) { return &scopes_.emplace_back(parent); }

  // The value of a JSON document; `depth` bounds the recursion.
  Value from_json(const Json& json, int depth = 0);

  // Counts one level of recursion while it lives; deeper than the limit is an error.
  class Nesting {
   public:
    explicit Nesting(Runtime& runtime, size_t levels = 1) : runtime_(runtime), levels_(levels) {
      if (runtime.nesting_ + levels > kMaxNesting) {
        runtime.fail_limit("values or calls are nested deeper than {} levels", kMaxNesting);
      }
      runtime.nesting_ += levels;
    }
    ~Nesting() { runtime_.nesting_ -= levels_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    Runtime& runtime_;
    size_t levels_;
  };

 private:
  // A level takes below 1 KiB of stack, 3 KiB under AddressSanitizer.
  static constexpr size_t kMaxNesting = 1000;

  [[noreturn]] void raise(ErrorCode code, const std::string& message) const;

  std::string_view name_;
  const RenderLimits& limits_;
  Position position_;
  size_t used_ = 0;
  size_t nesting_ = 0;
  // Addresses stay valid as these grow, and freeing them follows no reference between values.
  std::deque<List> lists_;
  std::deque<Dict> dicts_;
  std::deque<Namespace> spaces_;
  std::deque<Loop> loops_;
  std::deque<Callable> callables_;
  std::deque<Scope> scopes_;
};

}  // namespace oag::jinja
