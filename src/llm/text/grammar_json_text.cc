#include "llm/text/grammar_json_text.h"

#include <algorithm>

#include "llm/text/unicode.h"

namespace oag {
namespace {

using Expression = GrammarRules::Expression;

std::vector<CharRange> unescaped_chars() {
  return complement({{0, 0x1F}, {'"', '"'}, {'\\', '\\'}});
}

std::vector<CharRange> intersect(std::vector<CharRange> a, std::vector<CharRange> b) {
  auto outside = complement(std::move(a));
  const auto other = complement(std::move(b));
  outside.insert(outside.end(), other.begin(), other.end());
  return complement(std::move(outside));
}

}  // namespace

Expression JsonText::blank() {
  if (whitespace_ == JsonWhitespace::kCompact) return rules_.literal("");
  if (blank_ == kNone) {
    const Expression indent = rules_.repeat(rules_.chars({{' ', ' '}, {'\t', '\t'}}), 0, 32);
    blank_ = rules_.add_rule("blank",
                             rules_.either({rules_.literal(""), rules_.literal(" "),
                                            rules_.sequence({rules_.literal("\n"), indent})}),
                             true);
  }
  return rules_.rule(blank_);
}

Expression JsonText::comma() {
  return rules_.sequence({rules_.literal(","), blank()});
}

Expression JsonText::colon() {
  if (whitespace_ == JsonWhitespace::kCompact) return rules_.literal(":");
  return rules_.either({rules_.literal(":"), rules_.literal(": ")});
}

// Escapes as in RFC 8259 section 7; surrogates come in pairs, which are one character.
Expression JsonText::string_char_forms() {
  const Expression hex = rules_.chars({{'0', '9'}, {'A', 'F'}, {'a', 'f'}});
  const Expression hex2 = rules_.repeat(hex, 2, 2), hex3 = rules_.repeat(hex, 3, 3);
  const Expression d = rules_.chars({{'D', 'D'}, {'d', 'd'}});
  const Expression no_d = rules_.chars({{'0', '9'}, {'A', 'C'}, {'E', 'F'}, {'a', 'c'}, {'e', 'f'}});
  const Expression high = rules_.chars({{'8', '9'}, {'A', 'B'}, {'a', 'b'}});
  const Expression low = rules_.chars({{'C', 'F'}, {'c', 'f'}});
  const Expression code_unit =
      rules_.either({rules_.sequence({no_d, hex3}), rules_.sequence({d, rules_.chars({{'0', '7'}}), hex2}),
                     rules_.sequence({d, high, hex2, rules_.literal("\\u"), d, low, hex2})});
  const Expression letter = rules_.chars(
      {{'"', '"'}, {'\\', '\\'}, {'/', '/'}, {'b', 'b'}, {'f', 'f'}, {'n', 'n'}, {'r', 'r'}, {'t', 't'}});
  const Expression escape = rules_.either({letter, rules_.sequence({rules_.literal("u"), code_unit})});
  return rules_.either({rules_.chars(unescaped_chars()), rules_.sequence({rules_.literal("\\"), escape})});
}

Expression JsonText::string_char() {
  if (char_ == kNone) char_ = rules_.add_rule("string-char", string_char_forms(), true);
  return rules_.rule(char_);
}

Expression JsonText::string() {
  if (string_ == kNone) {
    string_ = rules_.add_rule("string", quoted(rules_.repeat(string_char_forms(), 0, kUnbounded)), true);
  }
  return rules_.rule(string_);
}

Expression JsonText::string_of_length(uint32_t min, uint32_t max) {
  return quoted(rules_.repeat(string_char(), min, max));
}

Expression JsonText::quoted(Expression content) {
  return rules_.sequence({rules_.literal("\""), content, rules_.literal("\"")});
}

Expression JsonText::plain_form(std::vector<CharRange> ranges) {
  ranges = normalise(std::move(ranges));
  std::vector<Expression> forms{rules_.chars(intersect(ranges, unescaped_chars()))};
  for (const auto [first, last] : intersect(ranges, complement(unescaped_chars()))) {
    for (char32_t c = first; c <= last; ++c) {
      std::string text(1, static_cast<char>(c));
      text = Json(text).dump();
      forms.push_back(rules_.literal(std::string_view(text).substr(1, text.size() - 2)));
    }
  }
  return rules_.either(forms);
}

// `sorted` share their first `depth` bytes, which have been read; they are in plain form.
Expression JsonText::except_below(std::span<const std::string> sorted, size_t depth) {
  if (plain_char_ == kNone) plain_char_ = rules_.add_rule("plain-char", plain_form({{0, 0x10FFFF}}), true);
  const Expression rest = rules_.repeat(rules_.rule(plain_char_), 0, kUnbounded);
  std::vector<Expression> ways;
  const bool may_end = sorted.front().size() > depth;
  if (may_end) ways.push_back(rules_.literal(""));
  if (!may_end) sorted = sorted.subspan(1);
  std::vector<CharRange> taken;
  while (!sorted.empty()) {
    // A step is a whole character: an escape or a UTF-8 sequence.
    const std::string_view text = std::string_view(sorted.front()).substr(depth);
    size_t size = decode_utf8_leniently(text).size_bytes;
    if (text[0] == '\\') size = text[1] == 'u' ? 6 : 2;
    const std::string step(text.substr(0, size));
    size_t same = 0;
    while (same < sorted.size() && sorted[same].compare(depth, size, step) == 0) ++same;
    ways.push_back(rules_.sequence({rules_.literal(step), except_below(sorted.first(same), depth + size)}));
    const char32_t c = decode_utf8_leniently(Json::parse('"' + step + '"').get<std::string>()).code_point;
    taken.push_back({c, c});
    sorted = sorted.subspan(same);
  }
  ways.push_back(rules_.sequence({plain_form(complement(std::move(taken))), rest}));
  return rules_.either(ways);
}

Expression JsonText::string_except(std::span<const std::string> texts) {
  if (texts.empty()) return string();
  std::vector<std::string> plain;
  for (const std::string& text : texts) {
    const std::string quoted_text = Json(text).dump();
    plain.push_back(quoted_text.substr(1, quoted_text.size() - 2));
  }
  std::sort(plain.begin(), plain.end());
  plain.erase(std::unique(plain.begin(), plain.end()), plain.end());
  return rules_.rule(rules_.add_rule("other-key", quoted(except_below(plain, 0)), true));
}

Expression JsonText::integer() {
  if (integer_ == kNone) {
    const Expression digit = rules_.chars({{'0', '9'}});
    const Expression digits =
        rules_.sequence({rules_.chars({{'1', '9'}}), rules_.repeat(digit, 0, kMaxIntegerDigits - 1)});
    integer_ = rules_.add_rule(
        "integer",
        rules_.sequence({rules_.optional(rules_.literal("-")), rules_.either({rules_.literal("0"), digits})}),
        true);
  }
  return rules_.rule(integer_);
}

Expression JsonText::number() {
  if (number_ == kNone) {
    const Expression digit = rules_.chars({{'0', '9'}});
    const Expression fraction =
        rules_.sequence({rules_.literal("."), rules_.repeat(digit, 1, kMaxFractionDigits)});
    const Expression sign = rules_.optional(rules_.chars({{'+', '+'}, {'-', '-'}}));
    const Expression exponent = rules_.sequence(
        {rules_.chars({{'E', 'E'}, {'e', 'e'}}), sign, rules_.repeat(digit, 1, kMaxExponentDigits)});
    number_ = rules_.add_rule(
        "number", rules_.sequence({integer(), rules_.optional(fraction), rules_.optional(exponent)}), true);
  }
  return rules_.rule(number_);
}

Expression JsonText::enclosed(std::string_view open, Expression inner, std::string_view close) {
  return rules_.sequence({rules_.literal(open), blank(), inner, blank(), rules_.literal(close)});
}

Expression JsonText::key_and_value(std::string_view key, Expression value) {
  return rules_.sequence({rules_.literal(Json(key).dump()), colon(), value});
}

Expression JsonText::object() {
  if (object_ == kNone) {
    object_ = rules_.add_rule("object", true);
    const Expression member = rules_.sequence({string(), colon(), value()});
    const Expression more = rules_.repeat(rules_.sequence({comma(), member}), 0, kUnbounded);
    const Expression members = rules_.sequence({member, more, blank()});
    rules_.set_body(object_, rules_.sequence({rules_.literal("{"), blank(), rules_.optional(members),
                                              rules_.literal("}")}));
  }
  return rules_.rule(object_);
}

Expression JsonText::array() {
  if (array_ == kNone) {
    array_ = rules_.add_rule("array", true);
    const Expression more = rules_.repeat(rules_.sequence({comma(), value()}), 0, kUnbounded);
    const Expression items = rules_.sequence({value(), more, blank()});
    rules_.set_body(
        array_, rules_.sequence({rules_.literal("["), blank(), rules_.optional(items), rules_.literal("]")}));
  }
  return rules_.rule(array_);
}

Expression JsonText::value() {
  if (value_ == kNone) {
    value_ = rules_.add_rule("value", true);
    rules_.set_body(value_, rules_.either({object(), array(), string(), number(), rules_.literal("true"),
                                           rules_.literal("false"), rules_.literal("null")}));
  }
  return rules_.rule(value_);
}

Expression JsonText::exactly(const Json& value) {
  if (!value.is_structured()) return rules_.literal(value.dump());
  std::vector<Expression> parts;
  for (const auto& [key, item] : value.items()) {
    if (!parts.empty()) parts.push_back(comma());
    parts.push_back(value.is_object() ? key_and_value(key, exactly(item)) : exactly(item));
  }
  const bool is_object = value.is_object();
  const std::string_view open = is_object ? "{" : "[", close = is_object ? "}" : "]";
  if (parts.empty()) return rules_.sequence({rules_.literal(open), blank(), rules_.literal(close)});
  return enclosed(open, rules_.sequence(parts), close);
}

}  // namespace oag
