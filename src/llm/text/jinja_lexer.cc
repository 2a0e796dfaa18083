#include "llm/text/jinja_lexer.h"

#include <array>
#include <charconv>
#include <optional>

#include "base/error.h"
#include "llm/text/jinja_text.h"

namespace oag::jinja {

namespace {

// Longest first, so that a prefix never wins.
constexpr std::array<std::string_view, 26> kOperators = {
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
    "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";",
};

// "\r\n" and "\r" become "\n", and one newline at the very end is dropped.
std::string normalize_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
      continue;
    }
    out += '\n';
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

bool is_ascii_digit(char c) {
  return c >= '0' && c <= '9';
}

class Lexer {
 public:
  Lexer(std::string_view source, std::string_view name) : source_(source), name_(name) {}

  std::vector<Token> run() {
    while (offset_ < source_.size()) read_text();
    push(TokenKind::kEnd, source_.size());
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail_at(size_t offset, const std::string& message) {
    fail_syntax(name_, position_of(offset), message);
  }

  bool at(std::string_view what) const { return source_.substr(offset_).starts_with(what); }

  char peek(size_t ahead = 0) const {
    return offset_ + ahead < source_.size() ? source_[offset_ + ahead] : '\0';
  }

  // Offsets are asked for in rising order, so counting goes on from the last one.
  Position position_of(size_t offset) {
    if (offset < counted_) {
      counted_ = 0;
      position_ = {};
    }
    for (; counted_ < offset; ++counted_) {
      const auto byte = static_cast<unsigned char>(source_[counted_]);
      if (byte == '\n') {
        ++position_.line;
        position_.column = 1;
      } else if ((byte & 0xC0) != 0x80) {
        ++position_.column;
      }
    }
    return position_;
  }

  Token& push(TokenKind kind, size_t offset, std::string text = {}) {
    Token& token = tokens_.emplace_back();
    token.kind = kind;
    token.at = position_of(offset);
    token.text = std::move(text);
    return token;
  }

  void skip_space() {
    while (offset_ < source_.size()) {
      size_t next = offset_;
      if (!is_space(next_code_point(source_, next))) return;
      offset_ = next;
    }
  }

  // The sign right after an opening delimiter: '-', '+' or none.
  char take_sign() {
    const char sign = peek();
    if (sign != '-' && sign != '+') return '\0';
    ++offset_;
    return sign;
  }

  void push_text(size_t begin, size_t end, char sign, bool is_output) {
    std::string_view text = source_.substr(begin, end - begin);
    if (sign == '-') {
      text = strip(text, Side::kRight);
    } else if (sign != '+' && !is_output) {
      // lstrip_blocks: blanks between the start of the line and a tag or comment go.
      const size_t newline = text.rfind('\n');
      const size_t line_start = newline == std::string_view::npos ? 0 : newline + 1;
      const bool own_line = newline != std::string_view::npos || line_starting_;
      if (own_line && strip(text.substr(line_start)).empty()) text = text.substr(0, line_start);
    }
    if (!text.empty()) push(TokenKind::kText, begin, std::string(text));
  }

  // Reads template text up to the next delimiter, then what the delimiter opens.
  void read_text() {
    const size_t begin = offset_;
    size_t open = begin;
    for (;; ++open) {
      open = source_.find('{', open);
      if (open == std::string_view::npos || open + 1 >= source_.size()) {
        push(TokenKind::kText, begin, std::string(source_.substr(begin)));
        offset_ = source_.size();
        return;
      }
      const char c = source_[open + 1];
      if (c == '{' || c == '%' || c == '#') break;
    }
    const char type = source_[open + 1];
    offset_ = open + 2;
    const char sign = take_sign();
    push_text(begin, open, sign, type == '{');
    line_starting_ = false;
    if (type == '#') {
      read_comment(open);
    } else if (type == '{') {
      push(TokenKind::kOutputBegin, open);
      read_code(open, TokenKind::kOutputEnd);
    } else if (take_raw_begin()) {
      read_raw(open);
    } else {
      push(TokenKind::kTagBegin, open);
      read_code(open, TokenKind::kTagEnd);
    }
  }

  // Closes a tag, comment or raw block: `-` eats all white space after it, `+` keeps it, else one newline
  // goes. Returns whether the delimiter stood here. Output ends (`}}`) never eat the newline and know no `+`.
  bool take_close(std::string_view close, bool is_output = false) {
    const char sign = peek();
    const bool has_sign = sign == '-' || (sign == '+' && !is_output);
    if (!source_.substr(std::min(offset_ + (has_sign ? 1 : 0), source_.size())).starts_with(close))
      return false;
    offset_ += close.size() + (has_sign ? 1 : 0);
    const size_t end = offset_;
    if (has_sign && sign == '-') {
      skip_space();
    } else if (!has_sign && !is_output && peek() == '\n') {
      ++offset_;
    }
    line_starting_ = offset_ > end && source_[offset_ - 1] == '\n';
    return true;
  }

  void read_comment(size_t open) {
    for (; offset_ < source_.size(); ++offset_) {
      if (take_close("#}")) return;
    }
    fail_at(open, "this comment is never closed with #}");
  }

  bool take_word(std::string_view word) {
    if (!at(word)) return false;
    offset_ += word.size();
    return true;
  }

  bool take_raw_begin() {
    const size_t start = offset_;
    skip_space();
    if (take_word("raw")) {
      skip_space();
      const bool eats = peek() == '-';
      if (eats) ++offset_;
      if (take_word("%}")) {
        if (eats) skip_space();
        return true;
      }
    }
    offset_ = start;
    return false;
  }

  void read_raw(size_t open) {
    line_starting_ = source_[offset_ - 1] == '\n';
    const size_t begin = offset_;
    for (;;) {
      const size_t tag = source_.find("{%", offset_);
      if (tag == std::string_view::npos) fail_at(open, "this raw block is never closed with {% endraw %}");
      offset_ = tag + 2;
      const char sign = take_sign();
      skip_space();
      if (take_word("endraw")) {
        skip_space();
        const size_t end = offset_;
        const bool line_start = line_starting_;
        if (take_close("%}")) {
          const bool after = line_starting_;
          line_starting_ = line_start;
          push_text(begin, tag, sign, false);
          line_starting_ = after;
          return;
        }
        offset_ = end;
      }
      offset_ = tag + 2;
    }
  }

  void read_code(size_t open, TokenKind end_kind) {
    const bool is_output = end_kind == TokenKind::kOutputEnd;
    for (;;) {
      if (brackets_.empty()) {
        const size_t start = offset_;
        if (take_close(is_output ? "}}" : "%}", is_output)) {
          push(end_kind, start);
          return;
        }
      }
      if (offset_ >= source_.size()) {
        fail_at(open, is_output ? "this {{ is never closed with }}" : "this {% is never closed with %}");
      }
      size_t next = offset_;
      if (is_space(next_code_point(source_, next))) {
        skip_space();
      } else {
        read_token();
      }
    }
  }

  void read_token() {
    const char c = peek();
    if (is_ascii_digit(c)) return read_number();
    if (c == '\'' || c == '"') return read_string(c);
    size_t next = offset_;
    if (is_word(next_code_point(source_, next))) return read_name();
    for (const std::string_view op : kOperators) {
      if (!at(op)) continue;
      balance(c);
      push(TokenKind::kOperator, offset_, std::string(op));
      offset_ += op.size();
      return;
    }
    fail_at(offset_, fmt::format("unexpected character '{}'", source_.substr(offset_, next - offset_)));
  }

  void balance(char c) {
    if (c == '(' || c == '[' || c == '{') brackets_ += c == '(' ? ')' : c == '[' ? ']' : '}';
    if (c != ')' && c != ']' && c != '}') return;
    if (brackets_.empty()) fail_at(offset_, fmt::format("'{}' closes nothing", c));
    if (brackets_.back() != c) fail_at(offset_, fmt::format("expected '{}', saw '{}'", brackets_.back(), c));
    brackets_.pop_back();
  }

  void read_name() {
    const size_t begin = offset_;
    while (offset_ < source_.size()) {
      size_t next = offset_;
      if (!is_word(next_code_point(source_, next))) break;
      offset_ = next;
    }
    push(TokenKind::kName, begin, std::string(source_.substr(begin, offset_ - begin)));
  }

  // Digits with single underscores between them, appended to `out` without the underscores.
  template <typename IsDigit>
  bool take_digits(std::string& out, IsDigit is_digit) {
    if (!is_digit(peek())) return false;
    while (is_digit(peek()) || (peek() == '_' && is_digit(peek(1)))) {
      if (peek() != '_') out += peek();
      ++offset_;
    }
    return true;
  }

  void read_number() {
    const size_t begin = offset_;
    const char prefix = static_cast<char>(peek(1) | 0x20);
    const int base = peek() != '0' ? 10 : prefix == 'x' ? 16 : prefix == 'o' ? 8 : prefix == 'b' ? 2 : 10;
    std::string digits;
    if (base != 10) {
      offset_ += 2;
      const bool some = take_digits(digits, [base](char c) {
        const int value = is_ascii_digit(c)                        ? c - '0'
                          : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                                   : 99;
        return value < base;
      });
      if (!some) fail_at(begin, "this number has no digits");
      return push_integer(begin, digits, base);
    }
    take_digits(digits, is_ascii_digit);
    // After a dot only an index may stand: a.1.2 is two of them, not the number 1.2.
    const bool after_dot = begin > 0 && source_[begin - 1] == '.';
    bool is_float = false;
    if (!after_dot && peek() == '.' && is_ascii_digit(peek(1))) {
      is_float = true;
      digits += '.';
      ++offset_;
      take_digits(digits, is_ascii_digit);
    }
    const size_t sign = peek(1) == '+' || peek(1) == '-' ? 2 : 1;
    if (!after_dot && (peek() | 0x20) == 'e' && is_ascii_digit(peek(sign))) {
      is_float = true;
      digits += 'e';
      if (peek(1) == '-') digits += '-';
      offset_ += sign;
      take_digits(digits, is_ascii_digit);
    }
    if (!is_float) return push_integer(begin, digits, 10);
    double value = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), value).ec != std::errc()) {
      fail_at(begin, "this number does not fit a double");
    }
    push(TokenKind::kFloat, begin).number = value;
  }

  void push_integer(size_t begin, const std::string& digits, int base) {
    int64_t value = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), value, base).ec != std::errc()) {
      fail_at(begin, "this integer does not fit 64 bits");
    }
    if (base == 10 && digits.size() > 1 && digits[0] == '0' && value != 0) {
      fail_at(begin, "a decimal integer cannot start with 0");
    }
    push(TokenKind::kInteger, begin).integer = value;
  }

  void read_string(char quote) {
    const size_t begin = offset_++;
    std::string text;
    for (;;) {
      if (offset_ >= source_.size()) fail_at(begin, "this string is never closed");
      const char c = source_[offset_++];
      if (c == quote) break;
      if (c == '\\' && offset_ < source_.size()) {
        read_escape(text);
      } else {
        text += c;
      }
    }
    push(TokenKind::kString, begin, std::move(text));
  }

  void read_escape(std::string& out) {
    const size_t begin = offset_ - 1;
    const char c = source_[offset_++];
    constexpr std::string_view kNames = "\\'\"abfnrtv";
    constexpr std::string_view kValues = "\\'\"\a\b\f\n\r\t\v";
    if (const size_t i = kNames.find(c); i != std::string_view::npos) {
      out += kValues[i];
    } else if (c == 'x' || c == 'u' || c == 'U') {
      append_checked(out, take_code(begin, c == 'x' ? 2 : c == 'u' ? 4 : 8, 16), begin);
    } else if (c >= '0' && c <= '7') {
      --offset_;
      size_t length = 1;
      while (length < 3 && peek(length) >= '0' && peek(length) <= '7') ++length;
      append_checked(out, take_code(begin, length, 8), begin);
    } else if (c == 'N') {
      fail_at(begin, "escapes by character name are not supported; write \\uXXXX");
    } else if (c != '\n') {  // a backslash before a newline joins the lines
      out += '\\';
      out += c;
    }
  }

  uint32_t take_code(size_t begin, size_t length, int base) {
    uint32_t code = 0;
    const char* first = source_.data() + offset_;
    const char* last = first + std::min(length, source_.size() - offset_);
    const auto [end, error] = std::from_chars(first, last, code, base);
    if (error != std::errc() || end != first + length) {
      fail_at(begin, fmt::format("this escape needs {} digits", length));
    }
    offset_ += length;
    return code;
  }

  void append_checked(std::string& out, uint32_t code, size_t begin) {
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
      fail_at(begin, "this escape is not a Unicode character");
    append_code_point(out, code);
  }

  std::string_view source_;
  std::string_view name_;
  size_t offset_ = 0;
  bool line_starting_ = true;  // whether what was read last ended a line
  std::string brackets_;       // closers that are due, innermost last
  std::vector<Token> tokens_;
  size_t counted_ = 0;
  Position position_;
};

}  // namespace

void fail_syntax(std::string_view name, Position at, const std::string& message) {
  fail(ErrorCode::kCorruptData, fmt::format("{}:{}:{}", name, at.line, at.column), "template syntax: {}",
       message);
}

std::vector<Token> tokenize(std::string_view source, std::string_view name) {
  if (!is_utf8(source)) fail(ErrorCode::kCorruptData, name, "the template is not valid UTF-8");
  const std::string normalized = normalize_newlines(source);
  return Lexer(normalized, name).run();
}

}  // namespace oag::jinja
