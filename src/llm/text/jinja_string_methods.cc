#include "llm/text/jinja_string_methods.h"

#include <algorithm>
#include <array>

#include "llm/text/jinja_arguments.h"
#include "llm/text/jinja_format.h"
#include "llm/text/jinja_operators.h"
#include "llm/text/jinja_text.h"

namespace oag::jinja {

namespace {

using Method = Value (*)(Runtime& rt, const std::string& self, const CallArgs& args);

template <std::string (*Convert)(std::string_view)>
Value convert(Runtime& rt, const std::string& self, const CallArgs& args) {
  const Arguments bound(rt, "this str method", args, {});
  rt.spend_bytes(self.size() * 8);
  return rt.text(Convert(self));
}

template <Side kSide>
Value strip_method(Runtime& rt, const std::string& self, const CallArgs& args) {
  const Arguments bound(rt, "str.strip", args, {"chars"});
  if (!bound.has(0) || bound[0].is_none()) return rt.text(std::string(strip(self, kSide)));
  rt.spend_search(self.size(), bound.text(0).size());
  return rt.text(std::string(strip(self, bound.text(0), kSide)));
}

// Whether all characters satisfy `accept` and at least one decides (str.isupper ignores characters without
// case).
template <bool (*kAccept)(uint32_t)>
Value all_of(Runtime& rt, const std::string& self, const CallArgs& args) {
  const Arguments bound(rt, "this str method", args, {});
  rt.spend_bytes(self.size() * 8);
  for (size_t i = 0; i < self.size();) {
    if (!kAccept(next_code_point(self, i))) return Value(false);
  }
  return Value(!self.empty());
}

template <bool (*kWanted)(uint32_t), bool (*kRefused)(uint32_t)>
Value cased(Runtime& rt, const std::string& self, const CallArgs& args) {
  const Arguments bound(rt, "this str method", args, {});
  rt.spend_bytes(self.size() * 8);
  bool some = false;
  for (size_t i = 0; i < self.size();) {
    const uint32_t c = next_code_point(self, i);
    if (kRefused(c)) return Value(false);
    some |= kWanted(c);
  }
  return Value(some);
}

bool is_alphanumeric(uint32_t c) {
  return is_alphabetic(c) || is_digit(c);
}

// The part that [start:end] selects, as startswith, find and count take it; `offset` receives where it
// begins.
std::string_view window(Runtime& rt, const std::string& self, const Arguments& bound, size_t& offset) {
  rt.spend_bytes(self.size());
  const auto count = static_cast<int64_t>(count_code_points(self));
  const auto resolve = [&](size_t i, int64_t fallback) {
    if (!bound.has(i) || bound[i].is_none()) return fallback;
    const int64_t index = bound.integer(i, 0);
    return std::clamp<int64_t>(index < 0 ? std::max(index, -count) + count : index, 0, count);
  };
  const int64_t start = resolve(1, 0);
  const int64_t end = std::max(resolve(2, count), start);
  offset = byte_offset(self, static_cast<size_t>(start));
  return std::string_view(self).substr(offset, byte_offset(self, static_cast<size_t>(end)) - offset);
}

template <bool kPrefix>
Value starts_or_ends(Runtime& rt, const std::string& self, const CallArgs& args) {
  const Arguments bound(rt, kPrefix ? "str.startswith" : "str.endswith", args, {"prefix", "start", "end"}, 1);
  size_t offset = 0;
  const std::string_view text = window(rt, self, bound, offset);
  const auto matches = [&](const Value& affix) {
    if (!affix.is_string())
      rt.fail("startswith and endswith need a text or a tuple of texts, saw {}", type_name(affix));
    return kPrefix ? text.starts_with(affix.text()) : text.ends_with(affix.text());
  };
  if (!bound[0].is_list() || bound[0].list().kind != ListKind::kTuple) return Value(matches(bound[0]));
  rt.spend_items(bound[0].list().items.size());
  const auto& affixes = bound[0].list().items;
  return Value(std::any_of(affixes.begin(), affixes.end(), matches));
}

template <bool kBackwards, bool kRequired>
Value find_method(Runtime& rt, const std::string& self, const CallArgs& args) {
  const Arguments bound(rt, "str.find", args, {"sub", "start", "end"}, 1);
  size_t offset = 0;
  const std::string_view text = window(rt, self, bound, offset);
  const std::string& part = bound.text(0);
  rt.spend_search(text.size(), part.size());
  const size_t found = kBackwards ? text.rfind(part) : text.find(part);
  if (found == std::string_view::npos) {
    if (kRequired) rt.fail("str.index did not find the text");
    return Value(int64_t{-1});
  }
  return Value(static_cast<int64_t>(count_code_points(std::string_view(self).substr(0, offset + found))));
}

Value count_method(Runtime& rt, const std::string& self, const CallArgs& args) {
  const Arguments bound(rt, "str.count", args, {"sub", "start", "end"}, 1);
  size_t offset = 0;
  const std::string_view text = window(rt, self, bound, offset);
  const std::string& part = bound.text(0);
  if (part.empty()) return Value(static_cast<int64_t>(count_code_points(text)) + 1);
  rt.spend_search(text.size(), part.size());
  int64_t count = 0;
  for (size_t i = text.find(part); i != std::string_view::npos; i = text.find(part, i + part.size())) ++count;
  return Value(count);
}

Value replace_method(Runtime& rt, const std::string& self, const CallArgs& args) {
  const Arguments bound(rt, "str.replace", args, {"old", "new", "count"}, 2);
  return replace_text(rt, self, bound.text(0), bound.text(1), bound.integer(2, -1));
}

Value pieces(Runtime& rt, const std::vector<std::string_view>& parts) {
  std::vector<Value> items;
  rt.spend(parts.size());
  for (const std::string_view part : parts) items.push_back(rt.text(std::string(part)));
  return rt.list(std::move(items));
}

std::vector<std::string_view> split_spaces(std::string_view text, int64_t limit) {
  std::vector<std::string_view> parts;
  text = strip(text, Side::kLeft);
  while (!text.empty()) {
    if (limit >= 0 && static_cast<int64_t>(parts.size()) == limit) {
      parts.push_back(text);
      break;
    }
    size_t end = 0;
    while (end < text.size()) {
      size_t next = end;
      if (is_space(next_code_point(text, next))) break;
      end = next;
    }
    parts.push_back(text.substr(0, end));
    text = strip(text.substr(end), Side::kLeft);
  }
  return parts;
}

std::vector<std::string_view> split_spaces_backwards(std::string_view text, int64_t limit) {
  std::vector<std::string_view> parts;
  text = strip(text, Side::kRight);
  while (!text.empty()) {
    if (limit >= 0 && static_cast<int64_t>(parts.size()) == limit) {
      parts.push_back(text);
      break;
    }
    size_t begin = text.size();
    while (begin > 0) {
      size_t start = begin - 1;
      while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
      size_t next = start;
      if (is_space(next_code_point(text, next))) break;
      begin = start;
    }
    parts.push_back(text.substr(begin));
    text = strip(text.substr(0, begin), Side::kRight);
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

template <bool kBackwards>
Value split_method(Runtime& rt, const std::string& self, const CallArgs& args) {
  const Arguments bound(rt, "str.split", args, {"sep", "maxsplit"});
  const int64_t limit = bound.integer(1, -1);
  std::string_view text = self;
  rt.spend_bytes(self.size() * 4);
  if (!bound.has(0) || bound[0].is_none()) {
    return pieces(rt, kBackwards ? split_spaces_backwards(text, limit) : split_spaces(text, limit));
  }
  const std::string& separator = bound.text(0);
  if (separator.empty()) rt.fail("the separator of split is empty");
  rt.spend_search(text.size(), separator.size());
  std::vector<std::string_view> parts;
  while (limit < 0 || static_cast<int64_t>(parts.size()) < limit) {
    const size_t found = kBackwards ? text.rfind(separator) : text.find(separator);
    if (found == std::string_view::npos) break;
    parts.push_back(kBackwards ? text.substr(found + separator.size()) : text.substr(0, found));
    text = kBackwards ? text.substr(0, found) : text.substr(found + separator.size());
  }
  parts.push_back(text);
  if (kBackwards) std::reverse(parts.begin(), parts.end());
  return pieces(rt, parts);
}

Value split_lines_method(Runtime& rt, const std::string& self, const CallArgs& args) {
  const Arguments bound(rt, "str.splitlines", args, {"keepends"});
  rt.spend_bytes(self.size() * 4);
  return pieces(rt, split_lines(self, bound.flag(0, false)));
}

template <bool kBackwards>
Value partition_method(Runtime& rt, const std::string& self, const CallArgs& args) {
  const Arguments bound(rt, "str.partition", args, {"sep"}, 1);
  const std::string& separator = bound.text(0);
  if (separator.empty()) rt.fail("the separator of partition is empty");
  rt.spend_search(self.size(), separator.size());
  const size_t found = kBackwards ? self.rfind(separator) : self.find(separator);
  const bool missing = found == std::string::npos;
  const std::string head = missing ? (kBackwards ? "" : self) : self.substr(0, found);
  const std::string tail = missing ? (kBackwards ? self : "") : self.substr(found + separator.size());
  return rt.list({rt.text(head), Value(missing ? std::string() : separator), rt.text(tail)},
                 ListKind::kTuple);
}

Value join_method(Runtime& rt, const std::string& self, const CallArgs& args) {
  const Arguments bound(rt, "str.join", args, {"iterable"}, 1);
  std::string out;
  bool first = true;
  for (const Value& item : iterate(rt, bound[0])) {
    if (!item.is_string()) rt.fail("str.join needs texts, saw {}", type_name(item));
    if (!first) rt.append(out, self);
    first = false;
    rt.append(out, item.text());
  }
  return Value(std::move(out));
}

Value format_method(Runtime& rt, const std::string& self, const CallArgs& args) {
  return rt.text(brace_format(rt, self, args));
}

template <bool kPrefix>
Value remove_affix(Runtime& rt, const std::string& self, const CallArgs& args) {
  const Arguments bound(rt, "str.removeprefix", args, {"affix"}, 1);
  const std::string& affix = bound.text(0);
  if (kPrefix ? !self.starts_with(affix) : !self.ends_with(affix)) return rt.text(self);
  return rt.text(kPrefix ? self.substr(affix.size()) : self.substr(0, self.size() - affix.size()));
}

template <char kAlign>
Value justify(Runtime& rt, const std::string& self, const CallArgs& args) {
  const Arguments bound(rt, "str.ljust", args, {"width", "fillchar"}, 1);
  const std::string fill = bound.text(1, " ");
  if (count_code_points(fill) != 1) rt.fail("the fill of ljust, rjust and center must be one character");
  const auto used = static_cast<int64_t>(count_code_points(self));
  const int64_t width = bound.integer(0, 0);
  const int64_t missing = width > used ? width - used : 0;
  rt.check_size(static_cast<size_t>(missing));
  // str.center puts the odd blank left when the width is odd
  const int64_t left = kAlign == '<' ? 0 : kAlign == '>' ? missing : missing / 2 + (missing & width & 1);
  std::string out;
  for (int64_t i = 0; i < left; ++i) out += fill;
  out += self;
  for (int64_t i = left; i < missing; ++i) out += fill;
  return rt.text(std::move(out));
}

Value zero_fill(Runtime& rt, const std::string& self, const CallArgs& args) {
  const Arguments bound(rt, "str.zfill", args, {"width"}, 1);
  const auto used = static_cast<int64_t>(count_code_points(self));
  const int64_t width = bound.integer(0, 0);
  const int64_t missing = width > used ? width - used : 0;
  rt.check_size(static_cast<size_t>(missing));
  const size_t sign = !self.empty() && (self[0] == '-' || self[0] == '+') ? 1 : 0;
  std::string out = self;
  out.insert(sign, static_cast<size_t>(missing), '0');
  return rt.text(std::move(out));
}

struct Entry {
  std::string_view name;
  Method method;
};

constexpr Entry kMethods[] = {
    {"strip", strip_method<Side::kBoth>},
    {"lstrip", strip_method<Side::kLeft>},
    {"rstrip", strip_method<Side::kRight>},
    {"split", split_method<false>},
    {"rsplit", split_method<true>},
    {"splitlines", split_lines_method},
    {"startswith", starts_or_ends<true>},
    {"endswith", starts_or_ends<false>},
    {"replace", replace_method},
    {"upper", convert<to_upper>},
    {"lower", convert<to_lower>},
    {"casefold", convert<to_lower>},
    {"title", convert<title_case>},
    {"capitalize", convert<capitalize>},
    {"swapcase", convert<swap_case>},
    {"join", join_method},
    {"find", find_method<false, false>},
    {"rfind", find_method<true, false>},
    {"index", find_method<false, true>},
    {"rindex", find_method<true, true>},
    {"count", count_method},
    {"format", format_method},
    {"isalpha", all_of<is_alphabetic>},
    {"isdigit", all_of<is_digit>},
    {"isdecimal", all_of<is_digit>},
    {"isnumeric", all_of<is_digit>},
    {"isalnum", all_of<is_alphanumeric>},
    {"isspace", all_of<is_space>},
    {"isupper", cased<is_upper, is_lower>},
    {"islower", cased<is_lower, is_upper>},
    {"partition", partition_method<false>},
    {"rpartition", partition_method<true>},
    {"removeprefix", remove_affix<true>},
    {"removesuffix", remove_affix<false>},
    {"ljust", justify<'<'>},
    {"rjust", justify<'>'>},
    {"center", justify<'^'>},
    {"zfill", zero_fill},
};

const Entry* find_entry(std::string_view name) {
  const auto* found = std::find_if(std::begin(kMethods), std::end(kMethods),
                                   [&](const Entry& entry) { return entry.name == name; });
  return found == std::end(kMethods) ? nullptr : found;
}

}  // namespace

bool is_string_method(std::string_view name) {
  return find_entry(name) != nullptr;
}

Value call_string_method(Runtime& rt, const std::string& self, const std::string& name,
                         const CallArgs& args) {
  return find_entry(name)->method(rt, self, args);
}

Value replace_text(Runtime& rt, std::string_view text, std::string_view from, std::string_view to,
                   int64_t count) {
  rt.spend_search(text.size(), from.size());
  std::string out;
  size_t i = 0;
  for (int64_t done = 0; count < 0 || done < count; ++done) {
    if (from.empty()) {
      // An empty pattern matches before every character and at the end.
      if (i > text.size()) break;
      rt.append(out, to);
      size_t next = i;
      if (i < text.size()) next_code_point(text, next);
      rt.append(out, text.substr(i, next - i));
      i = next == i ? text.size() + 1 : next;
      rt.spend(1);
      continue;
    }
    const size_t found = text.find(from, i);
    if (found == std::string_view::npos) break;
    rt.append(out, text.substr(i, found - i));
    rt.append(out, to);
    i = found + from.size();
  }
  if (i < text.size()) rt.append(out, text.substr(i));
  return rt.text(std::move(out));
}

}  // namespace oag::jinja
