#include "llm/text/bert_normalizer.h"

#include <utf8proc.h>

#include "llm/text/bert_classes.h"
#include "llm/text/unicode.h"

namespace oag {
namespace {

constexpr uint32_t kDottedI = 0x130;  // whose lower case is two code points
constexpr uint32_t kDotAbove = 0x307;

uint32_t lower_case(uint32_t code_point) {
  for (const auto& pair : bert_classes::kNewCasePairs) {
    if (pair.upper == code_point) return pair.lower;
  }
  return static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code_point)));
}

bool is_kept_control(uint32_t code_point) {
  return code_point == '\t' || code_point == '\n' || code_point == '\r';
}

bool is_space(uint32_t code_point) {
  return (char_class(code_point) & kWhitespace) != 0;
}

// The stages of BertNormalizer, in its order.
std::u32string cleaned(const std::u32string& text, const BertText& how) {
  std::u32string out;
  for (const char32_t c : text) {
    if (how.clean && !is_kept_control(c) && bert_classes::is_in(bert_classes::kRemoved, c)) continue;
    const bool chinese = how.chinese_words && bert_classes::is_in(bert_classes::kChinese, c);
    if (chinese) out += U' ';
    out += how.clean && is_space(c) ? U' ' : c;
    if (chinese) out += U' ';
  }
  return out;
}

std::u32string decoded(std::string_view text) {
  std::u32string out;
  while (!text.empty()) {
    const DecodedChar c = decode_utf8_leniently(text);
    out += static_cast<char32_t>(c.code_point);
    text.remove_prefix(c.size_bytes);
  }
  return out;
}

std::string encoded(const std::u32string& text) {
  std::string out;
  for (const char32_t c : text) append_utf8(out, c);
  return out;
}

std::u32string without_accents(const std::u32string& text) {
  std::u32string out;
  for (const char32_t c : decoded(normalize_nfd(encoded(text)))) {
    if (!bert_classes::is_in(bert_classes::kAccents, c)) out += c;
  }
  return out;
}

std::u32string lowered(const std::u32string& text) {
  std::u32string out;
  for (const char32_t c : text) {
    if (c == kDottedI) {
      out += U'i';
      out += static_cast<char32_t>(kDotAbove);
    } else {
      out += static_cast<char32_t>(lower_case(c));
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> bert_words(std::string_view text, const BertText& how) {
  std::u32string normal = cleaned(decoded(repair_utf8(text)), how);
  if (how.strip_accents) normal = without_accents(normal);
  if (how.lower_case) normal = lowered(normal);
  std::vector<std::string> words;
  bool inside = false;
  for (const char32_t c : normal) {
    if (is_space(c)) {
      inside = false;
      continue;
    }
    const bool mark = bert_classes::is_in(bert_classes::kPunctuation, c);
    if (!inside || mark) words.emplace_back();
    append_utf8(words.back(), c);
    inside = !mark;
  }
  return words;
}

}  // namespace oag
