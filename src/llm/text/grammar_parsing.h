#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "llm/text/grammar_rules.h"

namespace oag {

// A reader of grammar text, character by character. Errors name line and column.
class GrammarText {
 public:
  // Errors: kInvalidArgument for text that is not UTF-8 or above kMaxGrammarTextBytes.
  GrammarText(std::string_view text, std::string_view where);

  bool at_end() const { return position_ == text_.size(); }
  size_t position() const { return position_; }
  void set_position(size_t position) { position_ = position; }
  // The byte at the position plus `ahead`, 0 behind the end.
  char peek(size_t ahead = 0) const {
    return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\0';
  }
  bool looking_at(std::string_view token) const { return text_.substr(position_).starts_with(token); }
  bool take(std::string_view token);
  std::string_view take_while(bool (*wanted)(char));
  // Errors: kInvalidArgument at the end.
  char32_t take_char();
  // A decimal number. Errors: kInvalidArgument for none, kUnsupported above kMaxGrammarRepeats.
  uint32_t take_number();
  // Exactly `digits` hexadecimal digits, as a character. Errors: kInvalidArgument, also for surrogates.
  char32_t take_hex(int digits);

  [[noreturn]] void fail_here(std::string_view message) const;
  [[noreturn]] void fail_unsupported(std::string_view message) const;

 private:
  std::string place() const;

  std::string_view text_;
  std::string where_;
  size_t position_ = 0;
};

// Reads "{m}", "{m,}", "{m,n}" or "{,n}" behind its "{".
struct RepeatBounds {
  uint32_t min, max;
};
RepeatBounds take_repeat_bounds(GrammarText& text);

}  // namespace oag
