#include "llm/text/jinja_filters.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "llm/text/jinja_arguments.h"
#include "llm/text/jinja_format.h"
#include "llm/text/jinja_markup.h"
#include "llm/text/jinja_operators.h"
#include "llm/text/jinja_print.h"
#include "llm/text/jinja_string_methods.h"
#include "llm/text/jinja_text.h"

namespace oag::jinja {

namespace {

template <std::string (*Convert)(std::string_view)>
Value convert(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "this filter", args, {});
  const std::string text = to_text(rt, value);
  rt.spend_bytes(text.size() * 8);
  return text_like(rt, value, Convert(text));
}

template <std::string (*Convert)(std::string_view)>
Value convert_plain(Runtime& rt, const Value& value, const CallArgs& args) {
  return Value(convert<Convert>(rt, value, args).text());
}

// The title filter starts words after blanks, hyphens and opening brackets only, unlike str.title().
std::string title_words(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t begin = i;
    const auto breaks = [](uint32_t c) {
      return is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
    };
    size_t next = i;
    const bool is_break = breaks(next_code_point(text, next));
    for (i = next; i < text.size(); i = next) {
      next = i;
      if (breaks(next_code_point(text, next)) != is_break) break;
    }
    size_t rest = begin;
    next_code_point(text, rest);
    out += to_upper(text.substr(begin, rest - begin));
    out += to_lower(text.substr(rest, i - rest));
  }
  return out;
}

Value trim(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "trim", args, {"chars"});
  const std::string text = to_text(rt, value);
  if (!bound.has(0) || bound[0].is_none()) return text_like(rt, value, std::string(strip(text)));
  rt.spend_search(text.size(), bound.text(0).size());
  return text_like(rt, value, std::string(strip(text, bound.text(0), Side::kBoth)));
}

Value replace(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "replace", args, {"old", "new", "count"}, 2);
  const bool unlimited = !bound.has(2) || bound[2].is_none();
  return replace_text(rt, to_text(rt, value), to_text(rt, bound[0]), to_text(rt, bound[1]),
                      unlimited ? -1 : bound.integer(2, -1));
}

Value string(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "string", args, {});
  return text_like(rt, value, to_text(rt, value));
}

Value safe(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "safe", args, {});
  return Value::markup(to_text(rt, value));
}

Value force_escape(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "forceescape", args, {});
  return escape_operand(rt, Value(to_text(rt, value)));
}

Value escape(Runtime& rt, const Value& value, const CallArgs& args) {
  return value.is_markup() ? value : force_escape(rt, value, args);
}

Value indent(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "indent", args, {"width", "first", "blank"});
  if (!value.is_string()) rt.fail("indent needs a text, saw {}", type_name(value));
  std::string margin(4, ' ');
  if (bound.has(0) && bound[0].is_string()) {
    margin = bound.text(0);
  } else if (bound.has(0)) {
    const int64_t width = std::max<int64_t>(bound.integer(0, 4), 0);
    rt.check_size(static_cast<size_t>(width));
    margin.assign(static_cast<size_t>(width), ' ');
  }
  const bool blank = bound.flag(2, false);
  const std::string text = value.text() + '\n';
  std::string out;
  if (bound.flag(1, false)) out = margin;
  bool is_first = true;
  for (const std::string_view line : split_lines(text, false)) {
    if (!is_first) {
      rt.append(out, "\n");
      if (blank || !line.empty()) rt.append(out, margin);
    }
    is_first = false;
    rt.append(out, line);
  }
  return text_like(rt, value, std::move(out));
}

Value format(Runtime& rt, const Value& value, const CallArgs& args) {
  Value operand;
  if (args.keywords.empty()) {
    operand = rt.list(args.positional, ListKind::kTuple);
  } else {
    if (!args.positional.empty()) rt.fail("format takes positional or keyword arguments, not both");
    Dict* dict = rt.make_dict();
    for (const auto& [name, keyword] : args.keywords) dict->set(Value(name), keyword);
    operand = Value(dict);
  }
  return text_like(rt, value, percent_format(rt, to_text(rt, value), operand));
}

Value default_value(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "default", args, {"default_value", "boolean"});
  const bool replaced = value.is_undefined() || (bound.flag(1, false) && !truthy(value));
  return replaced ? bound.get(0, Value(std::string())) : value;
}

// Python's float(text): decimal, "inf" or "nan", white space around, single underscores between digits.
bool parse_float(std::string_view text, double& value) {
  std::string digits;
  text = strip(text);
  for (size_t i = 0; i < text.size(); ++i) {
    const auto is_digit = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
    if (text[i] == '_' && i > 0 && is_digit(i - 1) && is_digit(i + 1)) continue;
    digits += text[i];
  }
  std::string_view rest = digits;
  if (rest.starts_with('+') && !rest.starts_with("+-")) rest.remove_prefix(1);
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (end != rest.data() + rest.size() || rest.empty()) return false;
  if (error == std::errc::result_out_of_range)
    value = rest.find("e-") != std::string_view::npos ? 0.0 : HUGE_VAL;
  return error != std::errc::invalid_argument;
}

// Python's int(text, base).
bool parse_integer(std::string_view text, int64_t base, int64_t& value) {
  text = strip(text);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.size() > 2 && text[0] == '0') {
    const char prefix = static_cast<char>(text[1] | 0x20);
    const int64_t named = prefix == 'x' ? 16 : prefix == 'o' ? 8 : prefix == 'b' ? 2 : 0;
    if (named != 0 && (base == named || base == 0)) {
      base = named;
      text.remove_prefix(2);
    }
  }
  if (base == 0) base = 10;
  if (base < 2 || base > 36) return false;
  std::string digits(negative ? 1 : 0, '-');
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '-') return false;
    if (text[i] != '_' || i == 0 || i + 1 == text.size() || text[i - 1] == '_') digits += text[i];
  }
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, static_cast<int>(base));
  return error == std::errc() && end == digits.data() + digits.size();
}

Value to_integer(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "int", args, {"default", "base"});
  if (value.is_undefined()) rt.fail("{}", value.reason());
  if (value.is_integral()) return Value(value.integer());
  double number = NAN;
  if (value.is_string()) {
    int64_t parsed = 0;
    if (parse_integer(value.text(), bound.integer(1, 10), parsed)) return Value(parsed);
    if (!parse_float(value.text(), number)) number = NAN;
  } else if (value.kind() == Kind::kFloat) {
    number = value.number();
  }
  if (std::isnan(number) || std::isinf(number)) return bound.get(0, Value(int64_t{0}));
  if (std::fabs(number) >= 9.2e18) rt.fail("{} does not fit a 64-bit integer", number);
  return Value(static_cast<int64_t>(number));
}

Value to_float(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "float", args, {"default"});
  if (value.is_undefined()) rt.fail("{}", value.reason());
  if (value.is_number()) return Value(value.number());
  double number = 0;
  if (value.is_string() && parse_float(value.text(), number)) return Value(number);
  return bound.get(0, Value(0.0));
}

Value absolute(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "abs", args, {});
  if (value.kind() == Kind::kFloat) return Value(std::fabs(value.number()));
  if (!value.is_integral()) rt.fail("abs needs a number, saw {}", type_name(value));
  return value.integer() < 0 ? negate(rt, value) : Value(value.integer());
}

Value round_number(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "round", args, {"precision", "method"});
  const int64_t precision = bound.integer(0, 0);
  const std::string method = bound.text(1, "common");
  if (!value.is_number()) rt.fail("round needs a number, saw {}", type_name(value));
  if (precision < -300 || precision > 300) rt.fail("a precision of {} is not supported", precision);
  if (method == "ceil" || method == "floor") {
    const double scale = std::pow(10.0, static_cast<double>(precision));
    const double scaled = value.number() * scale;
    return Value((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
  }
  if (method != "common") rt.fail("the method of round must be common, ceil or floor");
  if (value.is_integral() && precision >= 0) return Value(value.integer());
  // Printing rounds the exact binary value, half to even, which is what Python's round() does.
  double number = value.number();
  if (precision < 0) {
    const double scale = std::pow(10.0, static_cast<double>(-precision));
    number = std::nearbyint(number / scale) * scale;
    if (value.is_integral()) return Value(static_cast<int64_t>(number));
  } else if (std::isfinite(number)) {
    const std::string digits = fmt::format("{:.{}f}", number, precision);
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
  }
  return Value(number);
}

Value to_json_filter(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "tojson", args, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensure_ascii = bound.flag(0, false);
  style.sort_keys = bound.flag(3, false);
  if (bound.has(1) && !bound[1].is_none()) {
    style.pretty = true;
    style.item_separator.assign(1, ',');
    if (bound[1].is_string()) {
      style.indent = bound.text(1);
    } else {
      const int64_t width = std::max<int64_t>(bound.integer(1, 0), 0);
      rt.check_size(static_cast<size_t>(width));
      style.indent.assign(static_cast<size_t>(width), ' ');
    }
  }
  if (bound.has(2) && !bound[2].is_none()) {
    const std::vector<Value> pair = iterate(rt, bound[2]);
    if (pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
      rt.fail("separators of tojson must be two texts");
    }
    style.item_separator = pair[0].text();
    style.key_separator = pair[1].text();
  }
  return rt.text(to_json(rt, value, style));
}

Value word_count(Runtime& rt, const Value& value, const CallArgs& args) {
  const Arguments bound(rt, "wordcount", args, {});
  int64_t count = 0;
  bool inside = false;
  const std::string text = to_text(rt, value);
  for (size_t i = 0; i < text.size();) {
    const bool word = is_word(next_code_point(text, i));
    count += word && !inside;
    inside = word;
  }
  return Value(count);
}

constexpr FilterEntry kFilters[] = {
    {"abs", absolute},
    {"capitalize", convert<capitalize>},
    {"d", default_value},
    {"default", default_value},
    {"e", escape},
    {"escape", escape},
    {"float", to_float},
    {"forceescape", force_escape},
    {"format", format},
    {"indent", indent},
    {"int", to_integer},
    {"lower", convert<to_lower>},
    {"replace", replace},
    {"round", round_number},
    {"safe", safe},
    {"string", string},
    {"title", convert_plain<title_words>},
    {"tojson", to_json_filter},
    {"trim", trim},
    {"upper", convert<to_upper>},
    {"wordcount", word_count},
};

const FilterEntry* find_filter(std::string_view name) {
  for (const auto entries : {value_filters(), sequence_filters()}) {
    for (const FilterEntry& entry : entries) {
      if (entry.name == name) return &entry;
    }
  }
  return nullptr;
}

}  // namespace

std::span<const FilterEntry> value_filters() {
  return kFilters;
}

bool has_filter(std::string_view name) {
  return find_filter(name) != nullptr;
}

Value apply_filter(Runtime& rt, std::string_view name, const Value& value, const CallArgs& args) {
  const FilterEntry* entry = find_filter(name);
  if (!entry) rt.fail("there is no filter '{}'", name);
  const Runtime::Nesting nesting(rt);
  rt.spend(1);
  return entry->apply(rt, value, args);
}

}  // namespace oag::jinja
