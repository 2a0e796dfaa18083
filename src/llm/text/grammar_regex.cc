#include "base/error.h"
#include "llm/text/grammar_parsing.h"
#include "llm/text/grammar_readers.h"

namespace oag {
namespace {

using Expression = GrammarRules::Expression;
using Ranges = std::vector<CharRange>;

// ASCII alone, as in ECMA-262 (\d, \w) and in Python with re.ASCII.
Ranges digits() {
  return {{'0', '9'}};
}
Ranges word_chars() {
  return {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
}
Ranges spaces() {
  return {{'\t', '\r'}, {' ', ' '}};
}

class RegexReader {
 public:
  RegexReader(std::string_view pattern, std::string_view where, RegexMatch match, GrammarRules& rules,
              CharWriter write_chars)
      : text_(pattern, where), match_(match), rules_(rules), write_chars_(write_chars) {}

  Expression read() {
    const Expression whole = read_alternatives(0);
    if (!text_.at_end()) text_.fail_here("')' without '('");
    return whole;
  }

 private:
  Expression read_alternatives(int nesting) {
    if (nesting > kMaxGrammarNesting) {
      text_.fail_unsupported(fmt::format("groups are nested deeper than {}", kMaxGrammarNesting));
    }
    std::vector<Expression> alternatives;
    do {
      alternatives.push_back(nesting == 0 ? read_anchored() : read_sequence(nesting));
    } while (text_.take("|"));
    return rules_.either(alternatives);
  }

  // An alternative of the whole pattern. Without an anchor, a search lets any text stand on that side.
  Expression read_anchored() {
    std::vector<Expression> parts;
    bool at_start = match_ == RegexMatch::kWhole, at_end = at_start;
    while (text_.take("^")) at_start = true;
    const Expression middle = read_sequence(0);
    while (text_.take("$")) at_end = true;
    if (text_.peek() != '|' && !text_.at_end() && text_.peek() != ')') {
      text_.fail_unsupported(
          "'$' is supported at the end of the pattern or of one of its alternatives alone");
    }
    const auto anything = [&] { return rules_.repeat(write_chars_({{0, 0x10FFFF}}), 0, kUnbounded); };
    if (!at_start) parts.push_back(anything());
    parts.push_back(middle);
    if (!at_end) parts.push_back(anything());
    return rules_.sequence(parts);
  }

  Expression read_sequence(int nesting) {
    std::vector<Expression> parts;
    while (!text_.at_end() && text_.peek() != '|' && text_.peek() != ')') {
      if (text_.peek() == '$' && nesting == 0) break;
      parts.push_back(read_repeats(read_atom(nesting)));
    }
    return rules_.sequence(parts);
  }

  Expression read_atom(int nesting) {
    switch (text_.peek()) {
      case '(': return read_group(nesting);
      case '[': return write_chars_(read_class());
      case '.': text_.take("."); return write_chars_(complement({{'\n', '\n'}}));
      case '\\': return write_chars_(read_escape(false));
      case '^':
      case '$': text_.fail_unsupported("anchors are supported at the ends of the pattern alone");
      case '*':
      case '+':
      case '?': text_.fail_here("nothing to repeat");
      case '{':
        if (looks_like_bounds()) text_.fail_here("nothing to repeat");
        break;
      default: break;
    }
    const char32_t c = text_.take_char();
    return write_chars_({{c, c}});
  }

  Expression read_group(int nesting) {
    text_.take("(");
    if (text_.take("?")) {
      if (text_.take("P<") ||
          (text_.peek() == '<' && text_.peek(1) != '=' && text_.peek(1) != '!' && text_.take("<"))) {
        const auto name = text_.take_while([](char c) { return c != '>' && c != ')'; });
        if (name.empty() || !text_.take(">")) text_.fail_here("a group's name ending with '>' was expected");
      } else if (!text_.take(":")) {
        text_.fail_unsupported("lookaround, flags, comments and conditions of groups are not supported");
      }
    }
    const Expression group = read_alternatives(nesting + 1);
    if (!text_.take(")")) text_.fail_here("')' was expected");
    return group;
  }

  // '{' starts a repetition when numbers follow, and is itself otherwise.
  bool looks_like_bounds() const {
    size_t i = 1;
    const auto skip_digits = [&] {
      while (text_.peek(i) >= '0' && text_.peek(i) <= '9') ++i;
    };
    skip_digits();
    if (text_.peek(i) == ',') {
      ++i;
      skip_digits();
    }
    return text_.peek(i) == '}' && i > 1;
  }

  Expression read_repeats(Expression part) {
    RepeatBounds bounds{1, 1};
    if (text_.take("*")) {
      bounds = {0, kUnbounded};
    } else if (text_.take("+")) {
      bounds = {1, kUnbounded};
    } else if (text_.take("?")) {
      bounds = {0, 1};
    } else if (text_.peek() == '{' && looks_like_bounds()) {
      if (text_.peek(1) == ',')
        text_.fail_unsupported("'{,n}' means different things to different engines; write {0,n}");
      text_.take("{");
      bounds = take_repeat_bounds(text_);
    } else {
      return part;
    }
    if (text_.peek() == '+') text_.fail_unsupported("possessive repetitions are not supported");
    text_.take("?");  // which of several ways matches does not change the language
    if (text_.peek() == '*' || text_.peek() == '+' || text_.peek() == '?' ||
        (text_.peek() == '{' && looks_like_bounds())) {
      text_.fail_here("a repetition is repeated; put it into a group");
    }
    return rules_.repeat(part, bounds.min, bounds.max);
  }

  Ranges read_escape(bool in_class) {
    text_.take("\\");
    if (text_.at_end()) text_.fail_here("the pattern ends with '\\'");
    const char c = text_.peek();
    const auto one = [](char32_t value) { return Ranges{{value, value}}; };
    if (c >= '1' && c <= '9') text_.fail_unsupported("references to groups are not supported");
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '0')) return one(text_.take_char());
    text_.take_char();
    switch (c) {
      case 'd': return digits();
      case 'D': return complement(digits());
      case 'w': return word_chars();
      case 'W': return complement(word_chars());
      case 's': return spaces();
      case 'S': return complement(spaces());
      case 'n': return one('\n');
      case 'r': return one('\r');
      case 't': return one('\t');
      case 'f': return one('\f');
      case 'v': return one('\v');
      case '0':
        if (text_.peek() >= '0' && text_.peek() <= '9')
          text_.fail_unsupported("octal escapes are not supported");
        return one('\0');
      case 'x': return one(text_.take_hex(2));
      case 'u': return one(text_.take_hex(4));
      case 'b':
      case 'B':
        if (in_class && c == 'b') return one('\b');
        text_.fail_unsupported("word boundaries (\\b, \\B) are not supported");
      default: text_.fail_unsupported(fmt::format("the escape '\\{}' is not supported", c));
    }
  }

  Ranges read_class() {
    text_.take("[");
    const bool negated = text_.take("^");
    Ranges ranges;
    bool is_first = true;
    while (is_first || text_.peek() != ']') {
      if (text_.at_end()) text_.fail_here("']' was expected");
      if (is_first && text_.peek() == ']') {
        text_.fail_unsupported("']' first in a class means different things to different engines; write \\]");
      }
      if (text_.looking_at("[:"))
        text_.fail_unsupported("classes by name such as [:alpha:] are not supported");
      is_first = false;
      const Ranges start = read_class_atom();
      if (text_.peek() != '-' || text_.peek(1) == ']') {
        ranges.insert(ranges.end(), start.begin(), start.end());
        continue;
      }
      text_.take("-");
      if (text_.at_end()) text_.fail_here("']' was expected");
      const Ranges end = read_class_atom();
      if (start.size() != 1 || end.size() != 1 || start[0].first != start[0].last ||
          end[0].first != end[0].last || end[0].first < start[0].first) {
        text_.fail_here("a range of characters needs one character on each side, the smaller one first");
      }
      ranges.push_back({start[0].first, end[0].first});
    }
    text_.take("]");
    return negated ? complement(std::move(ranges)) : normalise(std::move(ranges));
  }

  Ranges read_class_atom() {
    if (text_.peek() == '\\') return read_escape(true);
    const char32_t c = text_.take_char();
    return {{c, c}};
  }

  GrammarText text_;
  RegexMatch match_;
  GrammarRules& rules_;
  CharWriter write_chars_;
};

}  // namespace

GrammarRules::Expression read_regex(std::string_view pattern, std::string_view where, RegexMatch match,
                                    GrammarRules& rules, CharWriter write_chars) {
  return RegexReader(pattern, where, match, rules, write_chars).read();
}

}  // namespace oag
