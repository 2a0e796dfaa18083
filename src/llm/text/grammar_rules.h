#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace oag {

struct CharRange {
  char32_t first = 0, last = 0;  // inclusive
};

// Sorted, merged, without surrogates and what lies beyond U+10FFFF.
std::vector<CharRange> normalise(std::vector<CharRange> ranges);
// Every character that `ranges` leaves out.
std::vector<CharRange> complement(std::vector<CharRange> ranges);

// Bounds of what a grammar may ask for.
inline constexpr size_t kMaxGrammarTextBytes = size_t{4} << 20;
inline constexpr size_t kMaxGrammarRules = 20'000;
inline constexpr size_t kMaxGrammarExpressions = 200'000;
inline constexpr int kMaxGrammarNesting = 200;
inline constexpr uint32_t kMaxGrammarRepeats = 20'000;  // the numbers in {m,n}
inline constexpr uint32_t kUnbounded = UINT32_MAX;

// The rules of a grammar as trees of expressions, which may share parts. Built by the readers of GBNF,
// regular expressions and JSON schemas; GrammarProgram makes the automaton of it.
class GrammarRules {
 public:
  using Expression = uint32_t;
  using Rule = uint32_t;
  enum class Kind : uint8_t { kLiteral, kChars, kRule, kSequence, kEither, kRepeat };
  struct Node {
    Kind kind;
    uint16_t depth;
    uint32_t begin = 0,
             count = 0;         // bytes, ranges or parts; of kRule and kRepeat the rule or the repeated part
    uint32_t min = 0, max = 0;  // kRepeat
  };
  struct RuleInfo {
    std::string name;
    Expression body = UINT32_MAX;
    bool keep = false;  // never copied into its callers: its states, and with them their masks, are shared
  };

  explicit GrammarRules(std::string_view where) : where_(where) {}

  // All builders: kUnsupported above the bounds.
  Expression literal(std::string_view bytes);  // empty: matches nothing at all, and that succeeds
  Expression chars(std::vector<CharRange> ranges);
  Expression rule(Rule rule);
  Expression sequence(std::span<const Expression> parts);
  Expression sequence(std::initializer_list<Expression> parts) { return sequence(std::span(parts)); }
  Expression either(std::span<const Expression> parts);
  Expression either(std::initializer_list<Expression> parts) { return either(std::span(parts)); }
  Expression repeat(Expression part, uint32_t min, uint32_t max);  // max may be kUnbounded
  Expression optional(Expression part) { return repeat(part, 0, 1); }

  Rule add_rule(std::string_view name, bool keep = false);
  void set_body(Rule rule, Expression body) { rules_[rule].body = body; }
  Rule add_rule(std::string_view name, Expression body, bool keep = false);

  const std::string& where() const { return where_; }
  std::span<const Node> nodes() const { return nodes_; }
  std::span<const RuleInfo> rules() const { return rules_; }
  std::string_view bytes(const Node& node) const {
    return std::string_view(bytes_).substr(node.begin, node.count);
  }
  std::span<const CharRange> ranges(const Node& node) const {
    return std::span(ranges_).subspan(node.begin, node.count);
  }
  std::span<const Expression> parts(const Node& node) const {
    return std::span(parts_).subspan(node.begin, node.count);
  }

  // A rule whose alternatives start with the rule itself (a ::= a "x" | "y") is rewritten as a repetition
  // behind the others. Indirect left recursion stays and is refused by GrammarProgram.
  void rewrite_left_recursion();

 private:
  Expression add(Node node);
  Expression compound(Kind kind, std::span<const Expression> parts);

  std::string where_;
  std::vector<Node> nodes_;
  std::vector<RuleInfo> rules_;
  std::string bytes_;
  std::vector<CharRange> ranges_;
  std::vector<Expression> parts_;
};

}  // namespace oag
