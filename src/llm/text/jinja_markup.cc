#include "llm/text/jinja_markup.h"

#include "llm/text/jinja_operators.h"
#include "llm/text/jinja_string_methods.h"

namespace oag::jinja {

namespace {

Value escape_items(Runtime& rt, const Value& sequence) {
  std::vector<Value> items = iterate(rt, sequence);
  for (Value& item : items) item = escape_operand(rt, item);
  return rt.list(std::move(items), ListKind::kTuple);
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '\'': out += "&#39;"; break;
      case '"': out += "&#34;"; break;
      default: out += c;
    }
  }
  return out;
}

Value escape_operand(Runtime& rt, const Value& value) {
  if (value.is_list() && value.list().kind == ListKind::kTuple) return escape_items(rt, value);
  if (!value.is_string() || value.is_markup()) return value;
  rt.spend_bytes(value.text().size());
  std::string escaped = escape_html(value.text());
  rt.check_size(escaped.size());
  return Value::markup(std::move(escaped));
}

Value text_like(Runtime& rt, const Value& like, std::string text) {
  if (!like.is_markup()) return rt.text(std::move(text));
  rt.check_size(text.size());
  rt.spend_bytes(text.size());
  return Value::markup(std::move(text));
}

Value call_markup_method(Runtime& rt, const Value& self, const std::string& name, CallArgs args) {
  if (name == "join") {
    for (Value& argument : args.positional) argument = escape_items(rt, argument);
  } else if (name == "replace" && args.positional.size() > 1) {
    args.positional[1] = escape_operand(rt, args.positional[1]);
  } else if (name == "format") {
    for (Value& argument : args.positional) argument = escape_operand(rt, argument);
    for (auto& [keyword, argument] : args.keywords) argument = escape_operand(rt, argument);
  }
  Value result = call_string_method(rt, self.text(), name, args);
  if (result.is_string()) return Value::markup(result.text());
  if (result.is_list()) {
    for (Value& item : result.list().items) item = Value::markup(item.text());
  }
  return result;
}

}  // namespace oag::jinja
