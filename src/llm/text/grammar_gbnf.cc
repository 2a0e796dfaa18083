#include <map>
#include <string>

#include "base/error.h"
#include "llm/text/grammar_parsing.h"
#include "llm/text/grammar_readers.h"
#include "llm/text/unicode.h"

namespace oag {
namespace {

using Expression = GrammarRules::Expression;
using Rule = GrammarRules::Rule;

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

class GbnfReader {
 public:
  GbnfReader(std::string_view text, GrammarRules& rules) : text_(text, rules.where()), rules_(rules) {}

  Rule read() {
    skip_blank(true);
    while (!text_.at_end()) read_rule();
    const auto root = names_.find("root");
    if (root == names_.end()) {
      fail(ErrorCode::kInvalidArgument, rules_.where(),
           "has no rule 'root', which names what the whole text is");
    }
    return root->second;
  }

 private:
  // Blanks and comments, line breaks too where a rule goes on or none has begun.
  void skip_blank(bool line_breaks) {
    while (true) {
      text_.take_while([](char c) { return c == ' ' || c == '\t'; });
      if (text_.peek() == '#') text_.take_while([](char c) { return c != '\n' && c != '\r'; });
      if (!line_breaks || (text_.peek() != '\n' && text_.peek() != '\r')) return;
      text_.take_while([](char c) { return c == '\n' || c == '\r'; });
    }
  }

  Rule rule_named(std::string_view name) {
    const auto [found, is_new] = names_.try_emplace(std::string(name), 0);
    if (is_new) found->second = rules_.add_rule(name);
    return found->second;
  }

  // At the end of a line: the rule goes on when the next line starts with "|".
  bool goes_on() {
    const size_t here = text_.position();
    skip_blank(true);
    if (text_.peek() == '|') return true;
    text_.set_position(here);
    return false;
  }

  void read_rule() {
    const std::string_view name = text_.take_while(is_name_char);
    if (name.empty()) text_.fail_here("the name of a rule was expected");
    skip_blank(false);
    if (!text_.take("::=")) text_.fail_here("'::=' was expected behind the name of a rule");
    const Rule rule = rule_named(name);
    if (rules_.rules()[rule].body != UINT32_MAX)
      text_.fail_here(fmt::format("rule '{}' is defined twice", name));
    skip_blank(true);
    rules_.set_body(rule, read_alternatives(0));
    if (!text_.at_end() && text_.peek() != '\n' && text_.peek() != '\r') {
      text_.fail_here("a text, class, rule, group or the end of the line was expected");
    }
    skip_blank(true);
  }

  Expression read_alternatives(int nesting) {
    if (nesting > kMaxGrammarNesting) {
      text_.fail_unsupported(fmt::format("groups are nested deeper than {}", kMaxGrammarNesting));
    }
    std::vector<Expression> alternatives;
    do {
      skip_blank(!alternatives.empty() || nesting > 0);
      alternatives.push_back(read_sequence(nesting));
      if (nesting == 0) goes_on();
    } while (text_.take("|"));
    return rules_.either(alternatives);
  }

  Expression read_sequence(int nesting) {
    std::vector<Expression> parts;
    while (true) {
      const char c = text_.peek();
      if (c == '"') {
        parts.push_back(read_literal());
      } else if (c == '[') {
        parts.push_back(read_class());
      } else if (text_.take(".")) {
        parts.push_back(rules_.chars({{0, 0x10FFFF}}));
      } else if (text_.take("(")) {
        parts.push_back(read_alternatives(nesting + 1));
        if (!text_.take(")")) text_.fail_here("')' was expected");
      } else if (is_name_char(c)) {
        parts.push_back(rules_.rule(rule_named(text_.take_while(is_name_char))));
      } else if (c == '<' || c == '!') {
        text_.fail_unsupported("tokens cannot be named in a grammar; write their text in quotes");
      } else {
        return rules_.sequence(parts);
      }
      skip_blank(nesting > 0);
      parts.back() = read_repeats(parts.back());
      skip_blank(nesting > 0);
    }
  }

  Expression read_repeats(Expression part) {
    while (true) {
      if (text_.take("*")) {
        part = rules_.repeat(part, 0, kUnbounded);
      } else if (text_.take("+")) {
        part = rules_.repeat(part, 1, kUnbounded);
      } else if (text_.take("?")) {
        part = rules_.repeat(part, 0, 1);
      } else if (text_.take("{")) {
        const auto [min, max] = take_repeat_bounds(text_);
        part = rules_.repeat(part, min, max);
      } else {
        return part;
      }
    }
  }

  char32_t read_escaped() {
    switch (const char c = text_.peek()) {
      case 'x': text_.take("x"); return text_.take_hex(2);
      case 'u': text_.take("u"); return text_.take_hex(4);
      case 'U': text_.take("U"); return text_.take_hex(8);
      case 't': text_.take("t"); return '\t';
      case 'r': text_.take("r"); return '\r';
      case 'n': text_.take("n"); return '\n';
      case '\\':
      case '"':
      case '[':
      case ']':
      case '-':
      case '^':
      case '/':
      case '\'': text_.take_char(); return static_cast<unsigned char>(c);
      default:
        text_.fail_here(
            "unknown escape; known are \\n \\r \\t \\\\ \\\" \\[ \\] \\- \\^ \\xNN \\uNNNN \\UNNNNNNNN");
    }
  }

  char32_t read_char() { return text_.take("\\") ? read_escaped() : text_.take_char(); }

  Expression read_literal() {
    text_.take("\"");
    std::string bytes;
    while (!text_.take("\"")) append_utf8(bytes, read_char());
    return rules_.literal(bytes);
  }

  Expression read_class() {
    text_.take("[");
    const bool negated = text_.take("^");
    std::vector<CharRange> ranges;
    while (!text_.take("]")) {
      CharRange range;
      range.first = range.last = read_char();
      if (text_.peek() == '-' && text_.peek(1) != ']') {
        text_.take("-");
        range.last = read_char();
        if (range.last < range.first) text_.fail_here("a range of characters ends before it starts");
      }
      ranges.push_back(range);
    }
    return rules_.chars(negated ? complement(std::move(ranges)) : std::move(ranges));
  }

  GrammarText text_;
  GrammarRules& rules_;
  std::map<std::string, Rule, std::less<>> names_;
};

}  // namespace

GrammarRules::Rule read_gbnf(std::string_view text, GrammarRules& rules) {
  return GbnfReader(text, rules).read();
}

}  // namespace oag
