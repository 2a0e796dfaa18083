#include "llm/text/grammar_parsing.h"

#include <algorithm>

#include "base/error.h"
#include "llm/text/unicode.h"

namespace oag {

GrammarText::GrammarText(std::string_view text, std::string_view where) : text_(text), where_(where) {
  if (text.size() > kMaxGrammarTextBytes) {
    fail(ErrorCode::kInvalidArgument, where, "is {} bytes long; at most {} are read", text.size(),
         kMaxGrammarTextBytes);
  }
  if (!is_valid_utf8(text)) fail(ErrorCode::kInvalidArgument, where, "is not valid UTF-8");
}

std::string GrammarText::place() const {
  const std::string_view before = text_.substr(0, position_);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  return fmt::format("line {}, column {}", line, position_ - start + 1);
}

void GrammarText::fail_here(std::string_view message) const {
  fail(ErrorCode::kInvalidArgument, where_, "{}: {}", place(), message);
}

void GrammarText::fail_unsupported(std::string_view message) const {
  fail(ErrorCode::kUnsupported, where_, "{}: {}", place(), message);
}

bool GrammarText::take(std::string_view token) {
  if (!looking_at(token)) return false;
  position_ += token.size();
  return true;
}

std::string_view GrammarText::take_while(bool (*wanted)(char)) {
  const size_t begin = position_;
  while (!at_end() && wanted(text_[position_])) ++position_;
  return text_.substr(begin, position_ - begin);
}

char32_t GrammarText::take_char() {
  if (at_end()) fail_here("the text ends in the middle");
  const DecodedChar decoded = decode_utf8_leniently(text_.substr(position_));
  position_ += decoded.size_bytes;
  return decoded.code_point;
}

uint32_t GrammarText::take_number() {
  const std::string_view digits = take_while([](char c) { return c >= '0' && c <= '9'; });
  if (digits.empty()) fail_here("a number was expected");
  uint32_t number = 0;
  for (const char digit : digits) {
    number = number * 10 + static_cast<uint32_t>(digit - '0');
    if (number > kMaxGrammarRepeats) {
      fail_unsupported(fmt::format("a part is repeated {} times; at most {} are counted",
                                   digits.substr(0, 20), kMaxGrammarRepeats));
    }
  }
  return number;
}

char32_t GrammarText::take_hex(int digits) {
  char32_t value = 0;
  for (int i = 0; i < digits; ++i) {
    const char c = peek();
    const bool is_letter = (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (!is_letter && !(c >= '0' && c <= '9'))
      fail_here(fmt::format("{} hexadecimal digits were expected", digits));
    value = value * 16 + static_cast<char32_t>(is_letter ? (c | 0x20) - 'a' + 10 : c - '0');
    ++position_;
  }
  if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) fail_here("this number is no character");
  return value;
}

RepeatBounds take_repeat_bounds(GrammarText& text) {
  RepeatBounds bounds{0, kUnbounded};
  if (text.peek() != ',') bounds.min = text.take_number();
  if (!text.take(",")) {
    bounds.max = bounds.min;
  } else if (text.peek() != '}') {
    bounds.max = text.take_number();
  }
  if (!text.take("}")) text.fail_here("'}' was expected behind the numbers of a repetition");
  if (bounds.max < bounds.min) text.fail_here("the first number of a repetition is larger than the second");
  return bounds;
}

}  // namespace oag
