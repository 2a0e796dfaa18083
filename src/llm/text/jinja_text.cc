#include "llm/text/jinja_text.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <charconv>
#include <cmath>

namespace oag::jinja {

namespace {

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

utf8proc_category_t category(uint32_t code_point) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
}

void append_upper(std::string& out, uint32_t code_point) {
  if (code_point == 0xDF) {  // the sharp s has no single capital
    out += "SS";
  } else {
    append_code_point(out,
                      static_cast<uint32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(code_point))));
  }
}

void append_lower(std::string& out, uint32_t code_point) {
  append_code_point(out, static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code_point))));
}

bool is_cased(uint32_t c) {
  return c < 0x80 ? (c | 0x20) >= 'a' && (c | 0x20) <= 'z'
                  : is_upper(c) || is_lower(c) || category(c) == UTF8PROC_CATEGORY_LT;
}

// A capital sigma at the end of a word has a small letter of its own.
void append_lower_in_word(std::string& out, uint32_t code_point, bool after_letter, std::string_view rest) {
  constexpr uint32_t kSigma = 0x3A3;
  constexpr uint32_t kFinalSigma = 0x3C2;
  size_t next = 0;
  if (code_point == kSigma && after_letter && (rest.empty() || !is_cased(next_code_point(rest, next)))) {
    append_code_point(out, kFinalSigma);
  } else {
    append_lower(out, code_point);
  }
}

void append_title(std::string& out, uint32_t code_point) {
  if (code_point == 0xDF) {
    out += "Ss";
  } else {
    append_code_point(out,
                      static_cast<uint32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(code_point))));
  }
}

template <typename InSet>
std::string_view strip_if(std::string_view text, Side side, InSet in_set) {
  if (side != Side::kRight) {
    size_t start = 0;
    while (start < text.size()) {
      size_t next = start;
      if (!in_set(next_code_point(text, next))) break;
      start = next;
    }
    text.remove_prefix(start);
  }
  if (side != Side::kLeft) {
    while (!text.empty()) {
      size_t start = text.size() - 1;
      while (start > 0 && is_continuation(text[start])) --start;
      size_t next = start;
      if (!in_set(next_code_point(text, next))) break;
      text.remove_suffix(text.size() - start);
    }
  }
  return text;
}

}  // namespace

bool is_utf8(std::string_view text) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  size_t offset = 0;
  while (offset < text.size()) {
    if (bytes[offset] < 0x80) {
      ++offset;
      continue;
    }
    utf8proc_int32_t code_point = 0;
    const auto used =
        utf8proc_iterate(bytes + offset, static_cast<utf8proc_ssize_t>(text.size() - offset), &code_point);
    if (used <= 0) return false;
    offset += static_cast<size_t>(used);
  }
  return true;
}

uint32_t next_code_point(std::string_view text, size_t& offset) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(text[i])); };
  const uint32_t first = byte(offset++);
  const int more = first < 0xC0 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
  uint32_t code_point = more == 0 ? first : first & (0x3Fu >> more);
  for (int i = 0; i < more && offset < text.size(); ++i)
    code_point = (code_point << 6) | (byte(offset++) & 0x3F);
  return code_point;
}

void append_code_point(std::string& out, uint32_t code_point) {
  utf8proc_uint8_t bytes[4];
  const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code_point), bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
}

size_t count_code_points(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += !is_continuation(c);
  return count;
}

size_t byte_offset(std::string_view text, size_t index) {
  size_t offset = 0;
  for (; offset < text.size(); ++offset) {
    if (is_continuation(text[offset])) continue;
    if (index-- == 0) break;
  }
  return offset;
}

bool is_space(uint32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_alphabetic(uint32_t code_point) {
  const auto kind = category(code_point);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

bool is_digit(uint32_t code_point) {
  return category(code_point) == UTF8PROC_CATEGORY_ND;
}

bool is_word(uint32_t c) {
  if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  const auto kind = category(c);
  return is_alphabetic(c) || kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_MN ||
         kind == UTF8PROC_CATEGORY_MC || kind == UTF8PROC_CATEGORY_NL;
}

bool is_printable(uint32_t c) {
  if (c < 0x80) return c >= 0x20 && c < 0x7F;
  switch (category(c)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return false;
    default: return true;
  }
}

bool is_upper(uint32_t code_point) {
  return category(code_point) == UTF8PROC_CATEGORY_LU;
}
bool is_lower(uint32_t code_point) {
  return category(code_point) == UTF8PROC_CATEGORY_LL;
}

std::string to_upper(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) append_upper(out, next_code_point(text, i));
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool after_letter = false;
  for (size_t i = 0; i < text.size();) {
    const uint32_t c = next_code_point(text, i);
    append_lower_in_word(out, c, after_letter, text.substr(i));
    after_letter = is_cased(c);
  }
  return out;
}

std::string capitalize(std::string_view text) {
  std::string out;
  size_t i = 0;
  if (!text.empty()) append_title(out, next_code_point(text, i));
  return out + to_lower(text.substr(i));
}

std::string title_case(std::string_view text) {
  std::string out;
  bool inside = false;
  for (size_t i = 0; i < text.size();) {
    const uint32_t c = next_code_point(text, i);
    if (inside) {
      append_lower_in_word(out, c, true, text.substr(i));
    } else {
      append_title(out, c);
    }
    inside = is_cased(c);
  }
  return out;
}

std::string swap_case(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const uint32_t c = next_code_point(text, i);
    is_upper(c) ? append_lower(out, c) : append_upper(out, c);
  }
  return out;
}

std::string_view strip(std::string_view text, Side side) {
  return strip_if(text, side, is_space);
}

std::string_view strip(std::string_view text, std::string_view set, Side side) {
  return strip_if(text, side, [&](uint32_t c) {
    for (size_t i = 0; i < set.size();) {
      if (next_code_point(set, i) == c) return true;
    }
    return false;
  });
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  size_t start = 0;
  for (size_t i = 0; i < text.size();) {
    const size_t end = i;
    const uint32_t c = next_code_point(text, i);
    const bool breaks =
        (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
    if (!breaks) continue;
    if (c == '\r' && i < text.size() && text[i] == '\n') ++i;
    lines.push_back(text.substr(start, (keep_ends ? i : end) - start));
    start = i;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  const size_t e = text.find('e');
  int exponent = 0;
  const size_t digits_of_exponent = text[e + 1] == '+' ? e + 2 : e + 1;
  std::from_chars(text.data() + digits_of_exponent, text.data() + text.size(), exponent);
  // Python prints exponents below -4 and from 16 on in scientific notation.
  if (exponent < -4 || exponent >= 16) return std::string(text);
  const auto fixed = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed).ptr;
  std::string out(buffer, static_cast<size_t>(fixed - buffer));
  if (out.find('.') == std::string::npos) out += ".0";
  return out;
}

}  // namespace oag::jinja
