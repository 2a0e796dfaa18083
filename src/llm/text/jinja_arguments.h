#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "llm/text/jinja_runtime.h"

namespace oag::jinja {

// Binds the arguments of a built-in function to its parameter names, as Python does, and reads them by
// position.
class Arguments {
 public:
  // `what` names the function in errors; the first `required` parameters must be given.
  Arguments(Runtime& rt, std::string_view what, const CallArgs& args,
            std::initializer_list<std::string_view> names, size_t required = 0);

  bool has(size_t i) const { return values_[i] != nullptr; }
  const Value& operator[](size_t i) const { return *values_[i]; }
  const Value& get(size_t i, const Value& fallback) const { return values_[i] ? *values_[i] : fallback; }
  // Typed access; `fallback` stands for an absent argument, other types are errors.
  int64_t integer(size_t i, int64_t fallback) const;
  const std::string& text(size_t i) const;
  std::string text(size_t i, std::string_view fallback) const;
  bool flag(size_t i, bool fallback) const;

 private:
  Runtime& rt_;
  std::string_view what_;
  std::vector<const Value*> values_;
};

}  // namespace oag::jinja
