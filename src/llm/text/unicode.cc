#include "llm/text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"
#include "llm/text/newer_characters.h"

namespace oag {
namespace {

uint16_t class_of_category(utf8proc_category_t category) {
  switch (category) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT: return kLetter | kUpper;
    case UTF8PROC_CATEGORY_LL: return kLetter | kLower;
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return kLetter;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME: return kMark;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return kNumber;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO: return kPunctuation;
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO: return kSymbol;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return kWhitespace;
    default: return kOther;
  }
}

constexpr std::array<uint16_t, 128> make_ascii_classes() {
  std::array<uint16_t, 128> classes{};
  for (int c = 0; c < 128; ++c) {
    const bool symbol =
        c == '$' || c == '+' || (c >= '<' && c <= '>') || c == '^' || c == '`' || c == '|' || c == '~';
    if (c >= 'a' && c <= 'z')
      classes[c] = kLetter | kLower;
    else if (c >= 'A' && c <= 'Z')
      classes[c] = kLetter | kUpper;
    else if (c >= '0' && c <= '9')
      classes[c] = kNumber;
    else if (c == '\n' || c == '\r')
      classes[c] = kWhitespace | kNewline;
    else if (c == ' ' || (c >= '\t' && c <= '\r'))
      classes[c] = kWhitespace;
    else if (symbol)
      classes[c] = kSymbol;
    else if (c > ' ' && c < 127)
      classes[c] = kPunctuation;
  }
  return classes;
}

constexpr std::array<uint16_t, 128> kAsciiClasses = make_ascii_classes();

// The range that holds a code point, or null.
template <class Range, size_t kCount>
const Range* find_range(const Range (&ranges)[kCount], uint32_t code_point) {
  const Range* range = std::lower_bound(std::begin(ranges), std::end(ranges), code_point,
                                        [](const Range& r, uint32_t c) { return r.last < c; });
  return range != std::end(ranges) && range->first <= code_point ? range : nullptr;
}

bool is_unknown_to_nfc(uint32_t code_point) {
  return find_range(newer_characters::kUnknownToNfc, code_point) != nullptr ||
         find_range(newer_characters::kClasses, code_point) != nullptr;
}

bool is_continuation(char byte) {
  return (static_cast<uint8_t>(byte) & 0xC0) == 0x80;
}

bool is_surrogate(uint32_t code_point) {
  return code_point >= 0xD800 && code_point <= 0xDFFF;
}

void decompose(uint32_t code_point, std::vector<utf8proc_int32_t>& out) {
  // The longest canonical decomposition has four code points.
  std::array<utf8proc_int32_t, 16> parts;
  int boundary_class = 0;
  const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code_point), parts.data(),
                                             parts.size(), UTF8PROC_DECOMPOSE, &boundary_class);
  if (count <= 0 || count > static_cast<utf8proc_ssize_t>(parts.size())) {
    out.push_back(static_cast<utf8proc_int32_t>(code_point));
    return;
  }
  out.insert(out.end(), parts.begin(), parts.begin() + count);
}

int combining_class(utf8proc_int32_t code_point) {
  return utf8proc_get_property(code_point)->combining_class;
}

// Canonical ordering: every run of marks is sorted by combining class, equal ones stay in order.
// utf8proc_decompose does it by insertion, which a long run makes quadratic.
void order_marks(std::vector<utf8proc_int32_t>& code_points) {
  std::vector<uint64_t> run;  // class, then place, then the code point itself in the low 21 bits
  for (size_t begin = 0; begin < code_points.size(); ++begin) {
    size_t end = begin;
    run.clear();
    for (; end < code_points.size() && combining_class(code_points[end]) != 0; ++end) {
      const auto mark_class = static_cast<uint64_t>(combining_class(code_points[end]));
      run.push_back(mark_class << 56 | (end - begin) << 21 | static_cast<uint64_t>(code_points[end]));
    }
    if (run.size() > 1) std::sort(run.begin(), run.end());
    for (size_t i = 0; i < run.size(); ++i) {
      code_points[begin + i] = static_cast<utf8proc_int32_t>(run[i] & 0x1FFFFF);
    }
    begin = end;
  }
}

// Code points of repaired text in canonical decomposition.
std::vector<utf8proc_int32_t> decomposed(std::string_view text) {
  std::vector<utf8proc_int32_t> code_points;
  code_points.reserve(text.size());
  while (!text.empty()) {
    const DecodedChar decoded = decode_utf8_leniently(text);
    decompose(is_surrogate(decoded.code_point) ? kReplacementChar : decoded.code_point, code_points);
    text.remove_prefix(decoded.size_bytes);
  }
  order_marks(code_points);
  return code_points;
}

void append_nfc(std::string& out, std::string_view text) {
  if (text.empty()) return;
  std::vector<utf8proc_int32_t> code_points = decomposed(text);
  const auto count =
      utf8proc_normalize_utf32(code_points.data(), static_cast<utf8proc_ssize_t>(code_points.size()),
                               static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (count < 0) fail(ErrorCode::kInternal, "NFC", "utf8proc refuses the text: {}", utf8proc_errmsg(count));
  for (utf8proc_ssize_t i = 0; i < count; ++i) append_utf8(out, static_cast<uint32_t>(code_points[i]));
}

}  // namespace

uint16_t char_class(uint32_t code_point) {
  if (code_point < 128) return kAsciiClasses[code_point];
  if (code_point == 0x85) return kWhitespace;
  const utf8proc_category_t category = utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
  if (category != UTF8PROC_CATEGORY_CN) return class_of_category(category);
  const auto* newer = find_range(newer_characters::kClasses, code_point);
  return newer != nullptr ? newer->classes : uint16_t{kOther};
}

DecodedChar decode_utf8_leniently(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const auto continued = [&](size_t count) {
    if (text.size() <= count) return false;
    return std::all_of(text.begin() + 1, text.begin() + 1 + count, is_continuation);
  };
  const auto bits = [&](size_t i) { return static_cast<uint32_t>(byte(i) & 0x3F); };
  if ((lead & 0xE0) == 0xC0 && continued(1)) return {(lead & 0x1Fu) << 6 | bits(1), 2};
  if ((lead & 0xF0) == 0xE0 && continued(2)) return {(lead & 0x0Fu) << 12 | bits(1) << 6 | bits(2), 3};
  if ((lead & 0xF8) == 0xF0 && continued(3)) {
    const uint32_t code_point = (lead & 0x07u) << 18 | bits(1) << 12 | bits(2) << 6 | bits(3);
    if (code_point <= 0x10FFFF) return {code_point, 4};
  }
  return {kReplacementChar, 1};
}

void append_utf8(std::string& out, uint32_t code_point) {
  const auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3F));
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

bool is_valid_utf8(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    if (static_cast<uint8_t>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const DecodedChar decoded = decode_utf8_leniently(text.substr(at));
    const uint32_t shortest = decoded.size_bytes == 2 ? 0x80u : decoded.size_bytes == 3 ? 0x800u : 0x10000u;
    if (decoded.size_bytes == 1 || decoded.code_point < shortest || is_surrogate(decoded.code_point))
      return false;
    at += decoded.size_bytes;
  }
  return true;
}

std::string repair_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const DecodedChar decoded = decode_utf8_leniently(text);
    append_utf8(out, decoded.code_point);
    text.remove_prefix(decoded.size_bytes);
  }
  return out;
}

std::string normalize_nfd(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const utf8proc_int32_t c : decomposed(text)) append_utf8(out, static_cast<uint32_t>(c));
  return out;
}

std::string normalize_nfc(std::string_view text) {
  // Below U+0300 nothing decomposes into what is not composed again, and U+0300 is CC 80.
  const bool plain =
      std::all_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0xCC; });
  if (plain) return std::string(text);

  std::string out;
  out.reserve(text.size());
  size_t begin = 0;  // of the stretch of characters that NFC knows
  for (size_t at = 0; at < text.size();) {
    const DecodedChar decoded = decode_utf8_leniently(text.substr(at));
    if (is_unknown_to_nfc(decoded.code_point)) {
      append_nfc(out, text.substr(begin, at - begin));
      append_utf8(out, decoded.code_point);
      begin = at + decoded.size_bytes;
    }
    at += decoded.size_bytes;
  }
  append_nfc(out, text.substr(begin));
  return out;
}

void Utf8Stream::push(std::string_view bytes, std::string& out) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<uint8_t>(bytes[i]);
    if (needed_bytes_ == 0) {
      if (byte < 0x80) {
        out.push_back(bytes[i]);
        continue;
      }
      if (byte < 0xC2 || byte > 0xF4) {
        append_utf8(out, kReplacementChar);
        continue;
      }
      held_[0] = bytes[i];
      held_bytes_ = 1;
      needed_bytes_ = byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
      lower_ = byte == 0xE0 ? 0xA0 : byte == 0xF0 ? 0x90 : 0x80;
      upper_ = byte == 0xED ? 0x9F : byte == 0xF4 ? 0x8F : 0xBF;
      continue;
    }
    if (byte < lower_ || byte > upper_) {
      flush(out);
      --i;  // The byte that broke the sequence starts anew.
      continue;
    }
    lower_ = 0x80;
    upper_ = 0xBF;
    held_[held_bytes_++] = bytes[i];
    if (held_bytes_ < needed_bytes_) continue;
    out.append(held_, held_bytes_);
    held_bytes_ = needed_bytes_ = 0;
  }
}

void Utf8Stream::flush(std::string& out) {
  if (held_bytes_ > 0) append_utf8(out, kReplacementChar);
  held_bytes_ = needed_bytes_ = 0;
}

}  // namespace oag
