// Regular expressions in the syntax of RE2.
#include <utf8proc.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "engine/ops/regex.h"

namespace oag {
namespace {

constexpr int kMaxRepeat = 1000, kMaxDepth = 500;

const CharSet& digits() {
  static const CharSet set = {{'0', '9'}};
  return set;
}
const CharSet& word() {
  static const CharSet set = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  return set;
}
const CharSet& spaces() {
  static const CharSet set = {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}};
  return set;
}

std::optional<CharSet> posix_class(std::string_view name) {
  if (name == "alnum") return CharSet{{'0', '9'}, {'A', 'Z'}, {'a', 'z'}};
  if (name == "alpha") return CharSet{{'A', 'Z'}, {'a', 'z'}};
  if (name == "ascii") return CharSet{{0, 0x7F}};
  if (name == "blank") return CharSet{{'\t', '\t'}, {' ', ' '}};
  if (name == "cntrl") return CharSet{{0, 0x1F}, {0x7F, 0x7F}};
  if (name == "digit") return digits();
  if (name == "graph") return CharSet{{'!', '~'}};
  if (name == "lower") return CharSet{{'a', 'z'}};
  if (name == "print") return CharSet{{' ', '~'}};
  if (name == "punct") return CharSet{{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}};
  if (name == "space") return CharSet{{'\t', '\r'}, {' ', ' '}};
  if (name == "upper") return CharSet{{'A', 'Z'}};
  if (name == "word") return word();
  if (name == "xdigit") return CharSet{{'0', '9'}, {'A', 'F'}, {'a', 'f'}};
  return std::nullopt;
}

class Parser {
 public:
  Parser(std::string_view pattern, std::string_view where) : pattern_(pattern), where_(where) {}

  RegexNode parse() {
    RegexNode node = parse_choice();
    if (!at_end()) refuse("a ) closes nothing");
    return node;
  }

 private:
  struct Flags {
    bool no_case = false, dot_is_all = false, lines = false;
  };

  [[noreturn]] void refuse(std::string_view what) const {
    fail(ErrorCode::kInvalidArgument, where_, "the expression \"{}\" is not valid at byte {}: {}", pattern_,
         at_, what);
  }

  bool at_end() const { return at_ == pattern_.size(); }
  bool sees(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }
  bool skip(std::string_view text) {
    if (!sees(text)) return false;
    at_ += text.size();
    return true;
  }

  uint32_t take() {
    if (at_end()) refuse("it ends too early");
    utf8proc_int32_t code = 0;
    const auto size = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(pattern_.data()) + at_,
                                       static_cast<utf8proc_ssize_t>(pattern_.size() - at_), &code);
    if (size <= 0) refuse("it is no UTF-8");
    at_ += static_cast<size_t>(size);
    return static_cast<uint32_t>(code);
  }

  // Up to the end of the pattern or the ) of an outer group. Flags set inside end with it.
  RegexNode parse_choice() {
    if (++depth_ > kMaxDepth) refuse("its groups are nested too deep");
    const Flags outer = flags_;
    RegexNode choice{.kind = RegexNode::kChoice};
    do {
      choice.children.push_back(parse_sequence());
    } while (skip("|"));
    flags_ = outer;
    --depth_;
    return choice;
  }

  RegexNode parse_sequence() {
    RegexNode sequence{.kind = RegexNode::kSequence};
    bool repeatable = false;  // whether an operator like * may follow
    while (!at_end() && !sees("|") && !sees(")")) {
      if (skip("\\Q")) {
        while (!at_end() && !skip("\\E")) sequence.children.push_back(literal(take()));
        repeatable = !sequence.children.empty();
      } else if (const auto repeat = parse_repeat()) {
        if (!repeatable) refuse("a repetition follows nothing that can be repeated");
        RegexNode repeated{.kind = RegexNode::kRepeat, .least = repeat->first, .most = repeat->second};
        repeated.children.push_back(std::move(sequence.children.back()));
        sequence.children.back() = std::move(repeated);
        repeatable = false;
      } else if (auto atom = parse_atom()) {
        sequence.children.push_back(std::move(*atom));
        repeatable = true;
      } else {
        repeatable = false;
      }
    }
    return sequence;
  }

  // A repetition operator, with the ? that makes it lazy: for a match of the whole text that is all one. A {
  // that starts none is a character.
  std::optional<std::pair<int, int>> parse_repeat() {
    std::pair<int, int> limits = {0, RegexNode::kNoLimit};
    if (skip("*")) {
    } else if (skip("+")) {
      limits.first = 1;
    } else if (skip("?")) {
      limits.second = 1;
    } else if (const auto counted = parse_counts()) {
      limits = *counted;
    } else {
      return std::nullopt;
    }
    skip("?");
    return limits;
  }

  std::optional<std::pair<int, int>> parse_counts() {
    const size_t start = at_;
    if (!skip("{")) return std::nullopt;
    const auto least = parse_count();
    std::optional<int> most = least;
    if (least && skip(",")) most = sees("}") ? RegexNode::kNoLimit : parse_count();
    if (!least || !most || !skip("}")) {
      at_ = start;
      return std::nullopt;
    }
    if (*least > kMaxRepeat || *most > kMaxRepeat || (*most != RegexNode::kNoLimit && *most < *least))
      refuse("a repetition's limits must be at most 1000, the lower one first");
    return std::pair(*least, *most);
  }

  std::optional<int> parse_count() {
    const size_t start = at_;
    int count = 0;
    while (!at_end() && pattern_[at_] >= '0' && pattern_[at_] <= '9')
      count = std::min(count * 10 + (pattern_[at_++] - '0'), kMaxRepeat + 1);
    if (at_ == start) return std::nullopt;
    return count;
  }

  // One thing that can be repeated, or nothing where only flags were set.
  std::optional<RegexNode> parse_atom() {
    if (skip("(")) return parse_group();
    if (skip("[")) return class_node(parse_class());
    if (skip(".")) return class_node(flags_.dot_is_all ? CharSet::all() : CharSet{{'\n', '\n'}}.complement());
    if (skip("^")) return assertion(flags_.lines ? RegexAssertion::kLineStart : RegexAssertion::kTextStart);
    if (skip("$")) return assertion(flags_.lines ? RegexAssertion::kLineEnd : RegexAssertion::kTextEnd);
    if (sees("\\")) {
      if (skip("\\A")) return assertion(RegexAssertion::kTextStart);
      if (skip("\\z")) return assertion(RegexAssertion::kTextEnd);
      if (skip("\\b")) return assertion(RegexAssertion::kWordEdge);
      if (skip("\\B")) return assertion(RegexAssertion::kNoWordEdge);
      if (sees("\\C")) refuse("\\C, a byte of any kind, is not supported");
      if (auto set = parse_escaped_class()) return class_node(std::move(*set));
      return literal(parse_escape());
    }
    return literal(take());
  }

  std::optional<RegexNode> parse_group() {
    if (skip("?P<") || skip("?<")) {
      parse_name();
    } else if (skip("?")) {
      const Flags outer = flags_;
      if (!parse_flags()) return std::nullopt;  // they hold to the end of the group around them
      RegexNode node = parse_choice();
      flags_ = outer;
      close_group();
      return node;
    }
    RegexNode node = parse_choice();
    close_group();
    return node;
  }

  void close_group() {
    if (!skip(")")) refuse("a ( is not closed");
  }

  void parse_name() {
    const size_t end = pattern_.find('>', at_);
    if (end == std::string_view::npos) refuse("the name of a group is not closed");
    const std::string_view name = pattern_.substr(at_, end - at_);
    for (const char c : name) {
      if (!word().contains(static_cast<unsigned char>(c)))
        refuse("the name of a group has other than a-z, 0-9 and _");
    }
    if (name.empty()) refuse("the name of a group is empty");
    at_ = end + 1;
  }

  // After "(?": true when a group follows, which they are for.
  bool parse_flags() {
    bool value = true, any = false;
    for (;;) {
      switch (take()) {
        case 'i': flags_.no_case = value; break;
        case 'm': flags_.lines = value; break;
        case 's': flags_.dot_is_all = value; break;
        case 'U': break;  // swaps lazy and greedy
        case '-':
          if (!value) refuse("flags are negated twice");
          value = false;
          any = false;
          continue;
        case ':':
          if (!value && !any) refuse("a - without flags");
          return true;
        case ')':
          if (!value && !any) refuse("a - without flags");
          return false;
        default: refuse("this kind of group is not known");
      }
      any = true;
    }
  }

  // After "[".
  CharSet parse_class() {
    const bool negated = skip("^");
    CharSet set;
    for (bool first = true; first || !sees("]"); first = false) {
      if (at_end()) refuse("a [ is not closed");
      if (sees("[:")) {
        if (auto posix = parse_posix_class()) {
          set.add(*posix);
          continue;
        }
      }
      if (auto escaped = parse_escaped_class()) {
        set.add(*escaped);
        continue;
      }
      const uint32_t low = parse_class_char();
      uint32_t high = low;
      if (sees("-") && !sees("-]") && at_ + 1 < pattern_.size()) {
        skip("-");
        high = parse_class_char();
        if (high < low) refuse("a range of a class runs backwards");
      }
      set.add(low, high);
    }
    skip("]");
    if (flags_.no_case) set = set.without_case();
    return negated ? set.complement() : set;
  }

  uint32_t parse_class_char() {
    if (parse_escaped_class()) refuse("a range of a class ends in a class");
    return sees("\\") ? parse_escape() : take();
  }

  std::optional<CharSet> parse_posix_class() {
    const size_t end = pattern_.find(":]", at_ + 2);
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view name = pattern_.substr(at_ + 2, end - at_ - 2);
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    const auto set = posix_class(name);
    if (!set) refuse("the name of a class is not known");
    at_ = end + 2;
    return negated ? set->complement() : *set;
  }

  // \d and the like, \pN and \p{Name}; nothing for other escapes.
  std::optional<CharSet> parse_escaped_class() {
    if (skip("\\d")) return digits();
    if (skip("\\D")) return digits().complement();
    if (skip("\\s")) return spaces();
    if (skip("\\S")) return spaces().complement();
    if (skip("\\w")) return word();
    if (skip("\\W")) return word().complement();
    const bool outside = sees("\\P");
    if (!skip("\\p") && !skip("\\P")) return std::nullopt;
    std::string_view name = pattern_.substr(at_, 1);
    size_t end = at_ + 1;
    if (skip("{")) {
      end = pattern_.find('}', at_);
      if (end == std::string_view::npos) refuse("a \\p{ is not closed");
      name = pattern_.substr(at_, end++ - at_);
    }
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    auto set = CharSet::category(name);
    if (!set) refuse("it names no general category of Unicode, such as L or Lu (scripts are not supported)");
    at_ = end;
    if (flags_.no_case) set = set->without_case();
    return negated != outside ? set->complement() : *set;
  }

  // One character, escaped.
  uint32_t parse_escape() {
    skip("\\");
    const uint32_t code = take();
    switch (code) {
      case 'a': return '\a';
      case 'f': return '\f';
      case 'n': return '\n';
      case 'r': return '\r';
      case 't': return '\t';
      case 'v': return '\v';
      case 'x': return parse_hexadecimal();
      default: break;
    }
    if (code >= '0' && code <= '7') return parse_octal(code - '0');
    if (code >= 0x80 || (word().contains(code) && code != '_')) refuse("this escape is not known");
    return code;
  }

  uint32_t parse_octal(uint32_t value) {
    const auto is_octal = [&] { return !at_end() && pattern_[at_] >= '0' && pattern_[at_] <= '7'; };
    if (value != 0 && !is_octal()) refuse("references to groups are not supported");
    for (int digit = 1; digit < 3 && is_octal(); ++digit) value = value * 8 + (take() - '0');
    return value;
  }

  uint32_t parse_hexadecimal() {
    const bool braces = skip("{");
    uint32_t value = 0;
    size_t read = 0;
    for (; braces ? !sees("}") : read < 2; ++read) {
      const uint32_t c = take();
      const uint32_t digit = c >= '0' && c <= '9'   ? c - '0'
                             : c >= 'a' && c <= 'f' ? c - 'a' + 10
                             : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                    : 16;
      if (digit == 16) refuse("a hexadecimal digit is expected");
      value = value * 16 + digit;
      if (value > CharSet::kLast) refuse("a character lies above U+10FFFF");
    }
    if (read == 0) refuse("a hexadecimal digit is expected");
    if (braces) skip("}");
    return value;
  }

  RegexNode class_node(CharSet set) const { return {.kind = RegexNode::kSet, .set = std::move(set)}; }
  RegexNode assertion(RegexAssertion assertion) const {
    return {.kind = RegexNode::kAssertion, .assertion = assertion};
  }
  RegexNode literal(uint32_t code) const {
    const CharSet set = {{code, code}};
    return class_node(flags_.no_case ? set.without_case() : set);
  }

  std::string_view pattern_, where_;
  size_t at_ = 0;
  int depth_ = 0;
  Flags flags_;
};

}  // namespace

RegexNode parse_regex(std::string_view pattern, std::string_view where) {
  constexpr size_t kMaxBytes = 20'000;  // each may stand for a class of several kilobytes
  if (pattern.size() > kMaxBytes)
    fail(ErrorCode::kInvalidArgument, where, "the expression has {} bytes; {} are the most", pattern.size(),
         kMaxBytes);
  return Parser(pattern, where).parse();
}

}  // namespace oag
