// Regular expressions of pre-tokenizers as scanners: each is a Pretokenizer::Match.
#pragma once

#include <algorithm>
#include <string_view>

#include "llm/text/pretokenizer.h"
#include "llm/text/unicode.h"

namespace oag::pretokenizer_patterns {

inline constexpr uint16_t kWordBreakers = kWhitespace | kLetter | kNumber;

// The end of the run of characters from `at` that have one of the classes.
inline size_t run_of(const ClassifiedText& text, size_t at, size_t end, uint16_t classes) {
  while (at < end && (text.char_class(at) & classes)) ++at;
  return at;
}

// The end of the run of characters from `at` that have none of the classes.
inline size_t run_without(const ClassifiedText& text, size_t at, size_t end, uint16_t classes) {
  while (at < end && !(text.char_class(at) & classes)) ++at;
  return at;
}

// \s+(?!\S)|\s+ : a run of whitespace, less its last character when something follows and more than one is
// there.
inline size_t match_whitespace(const ClassifiedText& text, size_t at, size_t end) {
  const size_t run_end = run_of(text, at, end, kWhitespace);
  return run_end < end && run_end - at > 1 ? run_end - 1 : run_end;
}

// \s*[\r\n]+|\s+(?!\S)|\s+
inline size_t match_whitespace_to_last_newline(const ClassifiedText& text, size_t at, size_t end) {
  for (size_t i = run_of(text, at, end, kWhitespace); i > at; --i) {
    if (text.char_class(i - 1) & kNewline) return i;
  }
  return match_whitespace(text, at, end);
}

inline char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

// 's|'t|'re|'ve|'m|'ll|'d, with IgnoreCase also in capitals and with the long s (U+017F), which folds to s.
template <bool kIgnoreCase>
size_t match_contraction(const ClassifiedText& text, size_t at, size_t end) {
  if (text.lead_byte(at) != '\'' || at + 1 >= end) return at;
  const auto letter = [&](size_t i) { return kIgnoreCase ? to_lower(text.lead_byte(i)) : text.lead_byte(i); };
  const char first = letter(at + 1);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
  if (kIgnoreCase && text.slice(at + 1, at + 2) == "\xC5\xBF") return at + 2;
  if (at + 2 >= end) return at;
  const char second = letter(at + 2);
  const bool matches = (second == 'e' && (first == 'r' || first == 'v')) || (second == 'l' && first == 'l');
  return matches ? at + 3 : at;
}

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
inline size_t match_gpt2(const ClassifiedText& text, size_t at, size_t end) {
  if (const size_t matched = match_contraction<false>(text, at, end); matched > at) return matched;
  const size_t body = text.lead_byte(at) == ' ' && at + 1 < end ? at + 1 : at;
  const uint16_t body_class = text.char_class(body);
  if (body_class & kLetter) return run_of(text, body, end, kLetter);
  if (body_class & kNumber) return run_of(text, body, end, kNumber);
  if (!(body_class & kWhitespace)) return run_without(text, body, end, kWordBreakers);
  return match_whitespace(text, at, end);
}

// What may follow a run of signs.
inline bool is_newline(const ClassifiedText& text, size_t at) {
  return text.char_class(at) & kNewline;
}
inline bool is_newline_or_slash(const ClassifiedText& text, size_t at) {
  return is_newline(text, at) || text.lead_byte(at) == '/';
}
inline bool is_nothing(const ClassifiedText&, size_t) {
  return false;
}
using Predicate = bool (*)(const ClassifiedText&, size_t);

//  ?[^X]+[F]*|\s*[\r\n]+|\s+(?!\S)|\s+ where X are the classes of kExcluded.
template <uint16_t kExcluded, Predicate kFollows>
size_t match_signs_and_whitespace(const ClassifiedText& text, size_t at, size_t end) {
  const size_t body = text.lead_byte(at) == ' ' && at + 1 < end ? at + 1 : at;
  size_t body_end = run_without(text, body, end, kExcluded);
  if (body_end > body) {
    while (body_end < end && kFollows(text, body_end)) ++body_end;
    return body_end;
  }
  return match_whitespace_to_last_newline(text, at, end);
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?W+|\p{N}{1,digits}|
//  ?[^\s\p{N}W]+[F]*|\s*[\r\n]+|\s+(?!\S)|\s+ where W is \p{L} or, with marks, [\p{L}\p{M}], and F is \r\n or
// nothing.
template <size_t kMaxDigits, uint16_t kWordClasses = kLetter, Predicate kFollows = is_newline>
size_t match_words(const ClassifiedText& text, size_t at, size_t end) {
  if (const size_t matched = match_contraction<true>(text, at, end); matched > at) return matched;
  const uint16_t first = text.char_class(at);
  if (first & kWordClasses) return run_of(text, at, end, kWordClasses);
  if (!(first & (kNewline | kNumber)) && at + 1 < end && (text.char_class(at + 1) & kWordClasses)) {
    return run_of(text, at + 1, end, kWordClasses);
  }
  if (first & kNumber) return run_of(text, at, std::min(end, at + kMaxDigits), kNumber);

  return match_signs_and_whitespace < kWhitespace | kNumber | kWordClasses, kFollows > (text, at, end);
}

// \p{N}
inline size_t match_one_number(const ClassifiedText& text, size_t at, size_t) {
  return text.char_class(at) & kNumber ? at + 1 : at;
}

// \p{N}+
inline size_t match_numbers(const ClassifiedText& text, size_t at, size_t end) {
  return run_of(text, at, end, kNumber);
}

// [0-9][0-9][0-9]
inline size_t match_three_digits(const ClassifiedText& text, size_t at, size_t end) {
  if (end - at < 3) return at;
  for (size_t i = at; i < at + 3; ++i) {
    if (text.lead_byte(i) < '0' || text.lead_byte(i) > '9') return at;
  }
  return at + 3;
}

// [\p{P}\$\+<=>\^~\|]+ , and with the backtick that Falcon adds
template <bool kBacktick>
size_t match_punctuation(const ClassifiedText& text, size_t at, size_t end) {
  constexpr std::string_view kSymbols = kBacktick ? "$+<=>^~|`" : "$+<=>^~|";
  while (at < end && ((text.char_class(at) & kPunctuation) ||
                      kSymbols.find(text.lead_byte(at)) != std::string_view::npos)) {
    ++at;
  }
  return at;
}

// [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] and [\p{Ll}\p{Lm}\p{Lo}\p{M}]: letters without case are in both.
inline bool is_upper_part(uint16_t classes) {
  return (classes & (kLetter | kMark)) && !(classes & kLower);
}
inline bool is_lower_part(uint16_t classes) {
  return (classes & (kLetter | kMark)) && !(classes & kUpper);
}
inline size_t run_of_upper(const ClassifiedText& text, size_t at, size_t end) {
  while (at < end && is_upper_part(text.char_class(at))) ++at;
  return at;
}
inline size_t run_of_lower(const ClassifiedText& text, size_t at, size_t end) {
  while (at < end && is_lower_part(text.char_class(at))) ++at;
  return at;
}

// U*L+ of the two classes above, where U* gives back what L+ needs.
inline size_t match_word_ending_lower(const ClassifiedText& text, size_t at, size_t end) {
  const size_t upper_end = run_of_upper(text, at, end);
  if (upper_end < end && is_lower_part(text.char_class(upper_end))) return run_of_lower(text, upper_end, end);
  for (size_t i = upper_end; i > at; --i) {
    if (is_lower_part(text.char_class(i - 1))) return i;
  }
  return at;
}

// U+L*
inline size_t match_word_starting_upper(const ClassifiedText& text, size_t at, size_t end) {
  const size_t upper_end = run_of_upper(text, at, end);
  return upper_end > at ? run_of_lower(text, upper_end, end) : at;
}

// [^\r\n\p{L}\p{N}]?U*L+C?|[^\r\n\p{L}\p{N}]?U+L*C?|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|
// \s+(?!\S)|\s+ where C are the contractions, or nothing.
template <size_t kMaxDigits, bool kContractions>
size_t match_cased_words(const ClassifiedText& text, size_t at, size_t end) {
  const uint16_t first = text.char_class(at);
  const bool may_lead = !(first & (kNewline | kLetter | kNumber)) && at + 1 < end;
  for (const auto match : {match_word_ending_lower, match_word_starting_upper}) {
    for (const size_t word : {may_lead ? at + 1 : at, at}) {
      const size_t word_end = match(text, word, end);
      if (word_end == word) continue;
      return kContractions && word_end < end ? match_contraction<true>(text, word_end, end) : word_end;
    }
  }
  if (first & kNumber) return run_of(text, at, std::min(end, at + kMaxDigits), kNumber);
  return match_signs_and_whitespace<kWordBreakers, is_newline_or_slash>(text, at, end);
}

// \p{N}{1,3}
inline size_t match_up_to_three_numbers(const ClassifiedText& text, size_t at, size_t end) {
  return run_of(text, at, std::min(end, at + 3), kNumber);
}

// [\r\n]
inline size_t match_one_newline(const ClassifiedText& text, size_t at, size_t) {
  return is_newline(text, at) ? at + 1 : at;
}

// \s+$ , in a piece without newlines. Only the first of a run of whitespace is looked at: what did not match
// there does not match further on, and where that one lies before the piece, the run is the piece or does not
// match.
inline size_t match_whitespace_at_end(const ClassifiedText& text, size_t at, size_t end) {
  if (at > 0 && (text.char_class(at - 1) & kWhitespace)) return at;
  return run_of(text, at, end, kWhitespace) == end ? end : at;
}

// \s?C+ where C are the classes.
template <uint16_t kClasses>
size_t match_spaced_run(const ClassifiedText& text, size_t at, size_t end) {
  const size_t body = (text.char_class(at) & kWhitespace) && at + 1 < end ? at + 1 : at;
  const size_t body_end = run_of(text, body, end, kClasses);
  return body_end > body ? body_end : at;
}

}  // namespace oag::pretokenizer_patterns
