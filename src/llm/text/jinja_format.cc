#include "llm/text/jinja_format.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "llm/text/jinja_print.h"
#include "llm/text/jinja_text.h"

namespace oag::jinja {

namespace {

// One conversion: width, precision and how the value is laid out.
struct Spec {
  std::string fill = " ";
  char align = '\0';  // '<', '>', '^' or '=' (between sign and digits)
  char sign = '-';    // '-', '+' or ' '
  bool alternate = false;
  bool thousands = false;
  int64_t width = 0;
  int64_t precision = -1;
  char type = '\0';
};

constexpr int64_t kMaxPrecision = 300;

int64_t read_number(Runtime& rt, std::string_view text, size_t& i) {
  int64_t value = 0;
  const char* first = text.data() + i;
  const auto [end, error] = std::from_chars(first, text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) rt.fail("a width or precision is too large");
  if (error != std::errc()) return 0;
  i += static_cast<size_t>(end - first);
  return value;
}

void pad(Runtime& rt, std::string& out, const Spec& spec, std::string_view sign, std::string_view body) {
  const auto used = static_cast<int64_t>(count_code_points(sign) + count_code_points(body));
  const int64_t missing = spec.width > used ? spec.width - used : 0;
  if (static_cast<uint64_t>(missing) > rt.limits().max_output_bytes / spec.fill.size()) {
    rt.fail_limit("a text or the output grows past {} bytes", rt.limits().max_output_bytes);
  }
  std::string padding[2];
  const int64_t before = spec.align == '<' ? 0 : spec.align == '^' ? missing / 2 : missing;
  for (int64_t i = 0; i < missing; ++i) padding[i < before ? 0 : 1] += spec.fill;
  if (spec.align == '=') rt.append(out, sign);
  rt.append(out, padding[0]);
  if (spec.align != '=') rt.append(out, sign);
  rt.append(out, body);
  rt.append(out, padding[1]);
}

std::string group_thousands(std::string digits) {
  const size_t end = std::min(digits.find_first_not_of("0123456789"), digits.size());
  for (size_t i = end; i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

std::string_view sign_of(bool negative, const Spec& spec) {
  return negative ? "-" : spec.sign == '+' ? "+" : spec.sign == ' ' ? " " : "";
}

void put_integer(Runtime& rt, std::string& out, const Spec& spec, int64_t value) {
  const uint64_t magnitude = value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  std::string digits;
  std::string_view prefix;
  switch (spec.type) {
    case 'x':
      digits = fmt::format("{:x}", magnitude);
      prefix = "0x";
      break;
    case 'X':
      digits = fmt::format("{:X}", magnitude);
      prefix = "0X";
      break;
    case 'o':
      digits = fmt::format("{:o}", magnitude);
      prefix = "0o";
      break;
    case 'b':
      digits = fmt::format("{:b}", magnitude);
      prefix = "0b";
      break;
    default: digits = fmt::to_string(magnitude);
  }
  if (spec.precision > static_cast<int64_t>(digits.size())) {
    digits.insert(0, static_cast<size_t>(spec.precision) - digits.size(), '0');
  }
  if (spec.thousands) digits = group_thousands(std::move(digits));
  const std::string sign = std::string(sign_of(value < 0, spec)) + std::string(spec.alternate ? prefix : "");
  pad(rt, out, spec, sign, digits);
}

void put_float(Runtime& rt, std::string& out, const Spec& spec, double value) {
  const double magnitude = std::fabs(value) * (spec.type == '%' ? 100 : 1);
  const int precision = spec.precision < 0 ? 6 : static_cast<int>(spec.precision);
  std::string digits;
  switch (spec.type) {
    case 'e': digits = fmt::format("{:.{}e}", magnitude, precision); break;
    case 'E': digits = fmt::format("{:.{}E}", magnitude, precision); break;
    case 'g': digits = fmt::format("{:.{}g}", magnitude, precision); break;
    case 'G': digits = fmt::format("{:.{}G}", magnitude, precision); break;
    case '\0':
      digits = spec.precision < 0 ? float_text(magnitude) : fmt::format("{:.{}g}", magnitude, precision);
      if (digits.find_first_not_of("0123456789") == std::string::npos) digits += ".0";
      break;
    default: digits = fmt::format("{:.{}f}", magnitude, precision);
  }
  if (spec.thousands) digits = group_thousands(std::move(digits));
  if (spec.type == '%') digits += '%';
  pad(rt, out, spec, sign_of(std::signbit(value), spec), digits);
}

void put_text(Runtime& rt, std::string& out, const Spec& spec, std::string_view text) {
  if (spec.precision >= 0) text = text.substr(0, byte_offset(text, static_cast<size_t>(spec.precision)));
  pad(rt, out, spec, "", text);
}

class PercentFormatter {
 public:
  PercentFormatter(Runtime& rt, std::string_view format, const Value& value)
      : rt_(rt), format_(format), value_(value) {
    is_tuple_ = value.is_list() && value.list().kind == ListKind::kTuple;
  }

  std::string run() {
    std::string out;
    size_t i = 0;
    while (i < format_.size()) {
      const size_t percent = std::min(format_.find('%', i), format_.size());
      rt_.append(out, format_.substr(i, percent - i));
      if (percent == format_.size()) break;
      i = percent + 1;
      put(out, i);
    }
    const bool all_used = is_tuple_ ? used_ == value_.list().items.size() : used_ == 1 || value_.is_dict();
    if (!all_used && !mapped_) rt_.fail("not all arguments of '%' were used");
    return out;
  }

 private:
  char peek(size_t i) const {
    if (i >= format_.size()) rt_.fail("a format ends inside a '%' conversion");
    return format_[i];
  }

  Value take() {
    if (is_tuple_ ? used_ >= value_.list().items.size() : used_ >= 1)
      rt_.fail("not enough arguments for '%'");
    return is_tuple_ ? value_.list().items[used_++] : (++used_, value_);
  }

  Value argument(size_t& i) {
    if (peek(i) != '(') return {};
    const size_t close = format_.find(')', i);
    if (close == std::string_view::npos) rt_.fail("a format ends inside a '%' conversion");
    if (!value_.is_dict()) rt_.fail("'%(name)' needs a dict on the right of '%'");
    const Value* found = value_.dict().find(format_.substr(i + 1, close - i - 1));
    if (!found) rt_.fail("'%' found no key '{}'", format_.substr(i + 1, close - i - 1));
    i = close + 1;
    mapped_ = true;
    return *found;
  }

  int64_t number(size_t& i) {
    if (peek(i) != '*') return read_number(rt_, format_, i);
    ++i;
    const Value width = take();
    if (!width.is_integral()) rt_.fail("'*' in a format needs an integer");
    return width.integer();
  }

  void put(std::string& out, size_t& i) {
    const bool named = peek(i) == '(';
    Value value = argument(i);
    Spec spec;
    spec.align = '>';
    bool zero = false;
    for (; std::string_view("-+ #0").find(peek(i)) != std::string_view::npos; ++i) {
      const char flag = format_[i];
      if (flag == '-') spec.align = '<';
      if (flag == '+' || (flag == ' ' && spec.sign != '+')) spec.sign = flag;
      spec.alternate |= flag == '#';
      zero |= flag == '0';
    }
    spec.width = number(i);
    if (spec.width < 0) {
      spec.align = '<';
      spec.width = spec.width == INT64_MIN ? INT64_MAX : -spec.width;
    }
    if (peek(i) == '.') {
      ++i;
      spec.precision = std::max<int64_t>(number(i), 0);
    }
    while (std::string_view("hlL").find(peek(i)) != std::string_view::npos) ++i;
    const char type = format_[i++];
    if (type == '%') return rt_.append(out, "%");
    if (!named) value = take();
    convert(out, spec, zero, type, value);
  }

  void convert(std::string& out, Spec& spec, bool zero, char type, const Value& value) {
    if (value.is_undefined() && type != 's' && type != 'r') rt_.fail("{}", value.reason());
    spec.type = type;
    if (type == 's') return put_text(rt_, out, spec, to_text(rt_, value));
    if (type == 'r' || type == 'a') return put_text(rt_, out, spec, to_repr(rt_, value));
    if (spec.precision > kMaxPrecision) rt_.fail("a precision above {} is not supported", kMaxPrecision);
    if (zero && spec.align != '<') {
      spec.align = '=';
      spec.fill.assign(1, '0');
    }
    if (type == 'c') return put_character(out, spec, value);
    if (!value.is_number()) rt_.fail("'%{}' needs a number, saw {}", type, type_name(value));
    if (std::string_view("diuxXo").find(type) != std::string_view::npos) {
      if (value.kind() == Kind::kFloat) {
        if (std::string_view("xXo").find(type) != std::string_view::npos)
          rt_.fail("'%{}' needs an integer", type);
        if (!(std::fabs(value.number()) < 9.2e18)) rt_.fail("a number does not fit an integer");
        return put_integer(rt_, out, spec, static_cast<int64_t>(value.number()));
      }
      return put_integer(rt_, out, spec, value.integer());
    }
    if (std::string_view("eEfFgG").find(type) == std::string_view::npos)
      rt_.fail("'%{}' is not a conversion", type);
    put_float(rt_, out, spec, value.number());
  }

  void put_character(std::string& out, const Spec& spec, const Value& value) {
    std::string text;
    if (value.is_integral() && value.integer() >= 0 && value.integer() <= 0x10FFFF &&
        (value.integer() < 0xD800 || value.integer() > 0xDFFF)) {
      append_code_point(text, static_cast<uint32_t>(value.integer()));
    } else if (value.is_string() && count_code_points(value.text()) == 1) {
      text = value.text();
    } else {
      rt_.fail("'%c' needs one character");
    }
    put_text(rt_, out, spec, text);
  }

  Runtime& rt_;
  std::string_view format_;
  const Value& value_;
  bool is_tuple_ = false;
  bool mapped_ = false;
  size_t used_ = 0;
};

// [[fill]align][sign][#][0][width][,][.precision][type]
Spec parse_spec(Runtime& rt, std::string_view text) {
  Spec spec;
  size_t i = 0;
  size_t after = 0;
  if (!text.empty()) next_code_point(text, after);
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  if (after < text.size() && is_align(text[after])) {
    spec.fill = text.substr(0, after);
    spec.align = text[after];
    i = after + 1;
  } else if (!text.empty() && is_align(text[0])) {
    spec.align = text[i++];
  }
  const auto at = [&](char c) { return i < text.size() && text[i] == c; };
  if (at('+') || at('-') || at(' ')) spec.sign = text[i++];
  if (at('#')) spec.alternate = ++i > 0;
  if (at('0')) {
    ++i;
    if (!spec.align) {
      spec.align = '=';
      spec.fill.assign(1, '0');
    }
  }
  spec.width = read_number(rt, text, i);
  if (at(',')) spec.thousands = ++i > 0;
  if (at('.')) {
    ++i;
    spec.precision = read_number(rt, text, i);
  }
  if (i < text.size()) spec.type = text[i++];
  if (i != text.size() || spec.width < 0 || spec.precision < -1) rt.fail("'{}' is not a format", text);
  return spec;
}

void put_field(Runtime& rt, std::string& out, std::string_view spec_text, const Value& value) {
  Spec spec = parse_spec(rt, spec_text);
  if (value.is_undefined() && !spec_text.empty()) rt.fail("{}", value.reason());
  const bool float_type =
      spec.type != '\0' && std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos;
  const bool integer_type =
      spec.type != '\0' && std::string_view("dxXob").find(spec.type) != std::string_view::npos;
  const bool plain_bool = value.kind() == Kind::kBool && spec.type == '\0';
  if (value.is_number() && !plain_bool) {
    if (spec.precision > kMaxPrecision) rt.fail("a precision above {} is not supported", kMaxPrecision);
    if (!spec.align) spec.align = '>';
    if (value.is_integral() && (integer_type || spec.type == '\0')) {
      if (spec.precision >= 0) rt.fail("an integer takes no precision");
      return put_integer(rt, out, spec, value.integer());
    }
    if (float_type || spec.type == '\0') return put_float(rt, out, spec, value.number());
    rt.fail("'{}' is not a format for {}", spec_text, type_name(value));
  }
  if (spec.type != '\0' && spec.type != 's')
    rt.fail("'{}' is not a format for {}", spec_text, type_name(value));
  if (!value.is_string() && !spec_text.empty() && !plain_bool) {
    rt.fail("'{}' is not a format for {}", spec_text, type_name(value));
  }
  if (!spec.align) spec.align = '<';
  put_text(rt, out, spec, to_text(rt, value));
}

}  // namespace

std::string percent_format(Runtime& rt, std::string_view format, const Value& value) {
  return PercentFormatter(rt, format, value).run();
}

std::string brace_format(Runtime& rt, std::string_view format, const CallArgs& args) {
  std::string out;
  size_t next_position = 0;
  size_t i = 0;
  while (i < format.size()) {
    const size_t brace = std::min(format.find_first_of("{}", i), format.size());
    rt.append(out, format.substr(i, brace - i));
    if (brace == format.size()) break;
    i = brace + 1;
    if (i < format.size() && format[i] == format[brace]) {
      rt.append(out, format.substr(i++, 1));
      continue;
    }
    const size_t close = format.find('}', i);
    if (format[brace] == '}' || close == std::string_view::npos) rt.fail("a format has an unmatched brace");
    std::string_view field = format.substr(i, close - i);
    i = close + 1;
    std::string_view spec;
    if (const size_t colon = field.find(':'); colon != std::string_view::npos) {
      spec = field.substr(colon + 1);
      field = field.substr(0, colon);
    }
    std::string_view conversion;
    if (const size_t mark = field.find('!'); mark != std::string_view::npos) {
      conversion = field.substr(mark + 1);
      field = field.substr(0, mark);
    }
    const Value* value = nullptr;
    size_t position = 0;
    const auto parsed = std::from_chars(field.data(), field.data() + field.size(), position);
    if (field.empty() || (parsed.ec == std::errc() && parsed.ptr == field.data() + field.size())) {
      if (field.empty()) position = next_position++;
      if (position < args.positional.size()) value = &args.positional[position];
    } else {
      for (const auto& [name, keyword] : args.keywords) {
        if (name == field) value = &keyword;
      }
    }
    if (!value) rt.fail("format() has no argument for '{{{}}}'", field);
    if (conversion.empty()) {
      put_field(rt, out, spec, *value);
    } else if (conversion == "s" || conversion == "r") {
      put_field(rt, out, spec, Value(conversion == "s" ? to_text(rt, *value) : to_repr(rt, *value)));
    } else {
      rt.fail("'!{}' is not a conversion", conversion);
    }
  }
  return out;
}

}  // namespace oag::jinja
