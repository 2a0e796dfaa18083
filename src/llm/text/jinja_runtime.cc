#include "llm/text/jinja_runtime.h"

#include "llm/text/jinja_text.h"

namespace oag::jinja {

void Runtime::raise(ErrorCode code, const std::string& message) const {
  constexpr size_t kMaxMessage = 2000;
  // Messages may quote the template or the request: they are kept to one line of bounded length.
  std::string line = message.substr(0, byte_offset(message, kMaxMessage));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  throw Error(code, fmt::format("{}:{}:{}", name_, position_.line, position_.column), line);
}

Value Runtime::from_json(const Json& json, int depth) {
  constexpr int kMaxDepth = 200;
  if (depth > kMaxDepth) fail_limit("the context is nested deeper than {} levels", kMaxDepth);
  switch (json.type()) {
    case Json::value_t::boolean: return Value(json.get<bool>());
    case Json::value_t::number_integer: return Value(json.get<int64_t>());
    case Json::value_t::number_unsigned: {
      const auto value = json.get<uint64_t>();
      if (value > INT64_MAX) return Value(static_cast<double>(value));
      return Value(static_cast<int64_t>(value));
    }
    case Json::value_t::number_float: return Value(json.get<double>());
    case Json::value_t::string: {
      const auto& text = json.get_ref<const std::string&>();
      if (!is_utf8(text)) fail("a string of the context is not valid UTF-8");
      return Value(text);
    }
    case Json::value_t::array: {
      List* list = make_list();
      list->items.reserve(json.size());
      for (const Json& item : json) list->items.push_back(from_json(item, depth + 1));
      return Value(list);
    }
    case Json::value_t::object: {
      Dict* dict = make_dict();
      for (const auto& [key, value] : json.items()) {
        if (!is_utf8(key)) fail("a key of the context is not valid UTF-8");
        dict->set(Value(key), from_json(value, depth + 1));
      }
      return Value(dict);
    }
    default: return Value::none();
  }
}

}  // namespace oag::jinja
