#pragma once

#include <string>

#include "llm/text/jinja_runtime.h"

namespace oag::jinja {

// str(value) as Python prints it; undefined is empty.
std::string to_text(Runtime& rt, const Value& value);
// repr(value).
std::string to_repr(Runtime& rt, const Value& value);

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  bool pretty = false;  // one item a line, indented by `indent`
  std::string indent;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};

// json.dumps(value): the text that models were trained on, spaces included. Fails for undefined and for
// functions.
std::string to_json(Runtime& rt, const Value& value, const JsonStyle& style);

}  // namespace oag::jinja
