#include "llm/text/jinja_print.h"

#include <cmath>
#include <numeric>

#include "llm/text/jinja_operators.h"
#include "llm/text/jinja_text.h"

namespace oag::jinja {

namespace {

void append_quoted(std::string& out, std::string_view text) {
  const char quote =
      text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos ? '"' : '\'';
  out += quote;
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    const uint32_t c = next_code_point(text, i);
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\\' || c == static_cast<uint32_t>(quote)) {
      out += '\\';
      out += static_cast<char>(c);
    } else if (is_printable(c)) {
      out += text.substr(begin, i - begin);
    } else if (c < 0x100) {
      out += fmt::format("\\x{:02x}", c);
    } else if (c < 0x10000) {
      out += fmt::format("\\u{:04x}", c);
    } else {
      out += fmt::format("\\U{:08x}", c);
    }
  }
  out += quote;
}

class Printer {
 public:
  Printer(Runtime& rt, std::string& out) : rt_(rt), out_(out) {}

  void print(const Value& value) {
    const Runtime::Nesting nesting(rt_);
    rt_.spend(1);
    switch (value.kind()) {
      case Kind::kUndefined: return put("Undefined");
      case Kind::kNone: return put("None");
      case Kind::kBool: return put(value.boolean() ? "True" : "False");
      case Kind::kInt: return put(fmt::to_string(value.integer()));
      case Kind::kFloat: return put(float_text(value.number()));
      case Kind::kString: {
        rt_.check_size(value.text().size());
        std::string quoted;
        append_quoted(quoted, value.text());
        return put(quoted);
      }
      case Kind::kList: return print_list(value.list());
      case Kind::kDict: return print_dict(value.dict());
      case Kind::kNamespace:
        put("<Namespace ");
        print_dict(value.space().attributes);
        return put(">");
      case Kind::kLoop:
        return put(fmt::format("<LoopContext {}/{}>", value.loop().index + 1, value.loop().items->size()));
      case Kind::kCallable: {
        const bool is_macro = value.callable().type == Callable::Type::kMacro;
        return put(fmt::format("<{} '{}'>", is_macro ? "Macro" : "function", value.callable().name));
      }
    }
  }

 private:
  void put(std::string_view text) { rt_.append(out_, text); }

  void print_items(const std::vector<Value>& items, std::string_view open, std::string_view close) {
    put(open);
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) put(", ");
      print(items[i]);
    }
    put(close);
  }

  void print_list(const List& list) {
    switch (list.kind) {
      case ListKind::kList: return print_items(list.items, "[", "]");
      case ListKind::kTuple: return print_items(list.items, "(", list.items.size() == 1 ? ",)" : ")");
      case ListKind::kRange: return put(list.description);
      case ListKind::kKeys: return print_items(list.items, "dict_keys([", "])");
      case ListKind::kValues: return print_items(list.items, "dict_values([", "])");
      case ListKind::kItems: return print_items(list.items, "dict_items([", "])");
      case ListKind::kGenerator: return put("<generator object>");
    }
  }

  void print_dict(const Dict& dict) {
    put("{");
    for (size_t i = 0; i < dict.entries.size(); ++i) {
      if (i > 0) put(", ");
      print(dict.entries[i].first);
      put(": ");
      print(dict.entries[i].second);
    }
    put("}");
  }

  Runtime& rt_;
  std::string& out_;
};

class JsonPrinter {
 public:
  JsonPrinter(Runtime& rt, const JsonStyle& style, std::string& out) : rt_(rt), style_(style), out_(out) {}

  void print(const Value& value) {
    const Runtime::Nesting nesting(rt_);
    rt_.spend(1);
    switch (value.kind()) {
      case Kind::kNone: return put("null");
      case Kind::kBool: return put(value.boolean() ? "true" : "false");
      case Kind::kInt: return put(fmt::to_string(value.integer()));
      case Kind::kFloat: return put(number(value.number()));
      case Kind::kString: return print_string(value.text());
      case Kind::kList:
        if (value.list().kind > ListKind::kTuple) break;
        return print_list(value.list().items);
      case Kind::kDict: return print_dict(value.dict());
      default: break;
    }
    rt_.fail("tojson cannot write a value of type {}", type_name(value));
  }

 private:
  void put(std::string_view text) { rt_.append(out_, text); }

  static std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    return float_text(value);
  }

  void print_string(const std::string& text) {
    std::string quoted = "\"";
    for (size_t i = 0; i < text.size();) {
      const size_t begin = i;
      const uint32_t c = next_code_point(text, i);
      constexpr std::string_view kSpecial = "\"\\\n\r\t\b\f";
      constexpr std::string_view kLetters = "\"\\nrtbf";
      const size_t special = c < 0x80 ? kSpecial.find(static_cast<char>(c)) : std::string_view::npos;
      if (special != std::string_view::npos) {
        quoted += '\\';
        quoted += kLetters[special];
      } else if (c < 0x20 || (style_.ensure_ascii && c >= 0x7F && c < 0x10000 && c != 0x7F)) {
        quoted += fmt::format("\\u{:04x}", c);
      } else if (style_.ensure_ascii && c >= 0x10000) {
        quoted += fmt::format("\\u{:04x}\\u{:04x}", 0xD7C0 + (c >> 10), 0xDC00 + (c & 0x3FF));
      } else {
        quoted.append(text, begin, i - begin);
      }
    }
    put(quoted + '"');
  }

  void new_line() {
    if (!style_.pretty) return;
    put("\n");
    for (int i = 0; i < level_; ++i) put(style_.indent);
  }

  void print_list(const std::vector<Value>& items) {
    if (items.empty()) return put("[]");
    put("[");
    ++level_;
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) put(style_.item_separator);
      new_line();
      print(items[i]);
    }
    --level_;
    new_line();
    put("]");
  }

  void print_key(const Value& key) {
    switch (key.kind()) {
      case Kind::kString: return print_string(key.text());
      case Kind::kNone: return put("\"null\"");
      case Kind::kBool: return put(key.boolean() ? "\"true\"" : "\"false\"");
      case Kind::kInt: return put(fmt::format("\"{}\"", key.integer()));
      default: return put(fmt::format("\"{}\"", number(key.number())));
    }
  }

  void print_dict(const Dict& dict) {
    if (dict.entries.empty()) return put("{}");
    std::vector<size_t> order(dict.entries.size());
    std::iota(order.begin(), order.end(), size_t{0});
    if (style_.sort_keys) {
      std::vector<Value> keys;
      for (const auto& [key, value] : dict.entries) keys.push_back(key);
      order = sorted_order(rt_, keys, false);
    }
    put("{");
    ++level_;
    for (size_t i = 0; i < order.size(); ++i) {
      if (i > 0) put(style_.item_separator);
      new_line();
      print_key(dict.entries[order[i]].first);
      put(style_.key_separator);
      print(dict.entries[order[i]].second);
    }
    --level_;
    new_line();
    put("}");
  }

  Runtime& rt_;
  const JsonStyle& style_;
  std::string& out_;
  int level_ = 0;
};

}  // namespace

std::string to_text(Runtime& rt, const Value& value) {
  if (value.is_string()) return value.text();
  if (value.is_undefined()) return {};
  return to_repr(rt, value);
}

std::string to_repr(Runtime& rt, const Value& value) {
  std::string out;
  Printer(rt, out).print(value);
  return out;
}

std::string to_json(Runtime& rt, const Value& value, const JsonStyle& style) {
  std::string out;
  JsonPrinter(rt, style, out).print(value);
  return out;
}

}  // namespace oag::jinja
