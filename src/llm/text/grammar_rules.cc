#include "llm/text/grammar_rules.h"

#include <algorithm>

#include "base/error.h"

namespace oag {
namespace {

constexpr char32_t kLastChar = 0x10FFFF;
constexpr uint16_t kMaxDepth = 4000;

}  // namespace

std::vector<CharRange> normalise(std::vector<CharRange> ranges) {
  std::vector<CharRange> split;
  const auto keep = [&](char32_t first, char32_t last) {
    if (first <= last) split.push_back({first, last});
  };
  for (const auto [first, last] : ranges) {
    keep(first, std::min<char32_t>(last, 0xD7FF));
    keep(std::max<char32_t>(first, 0xE000), std::min(last, kLastChar));
  }
  std::sort(split.begin(), split.end(), [](CharRange a, CharRange b) { return a.first < b.first; });
  std::vector<CharRange> merged;
  for (const CharRange range : split) {
    if (!merged.empty() && range.first <= merged.back().last + 1) {
      merged.back().last = std::max(merged.back().last, range.last);
    } else {
      merged.push_back(range);
    }
  }
  return merged;
}

std::vector<CharRange> complement(std::vector<CharRange> ranges) {
  std::vector<CharRange> rest;
  char32_t next = 0;
  for (const auto [first, last] : normalise(std::move(ranges))) {
    if (first > next) rest.push_back({next, first - 1});
    next = last + 1;
  }
  if (next <= kLastChar) rest.push_back({next, kLastChar});
  return normalise(std::move(rest));
}

GrammarRules::Expression GrammarRules::add(Node node) {
  if (nodes_.size() >= kMaxGrammarExpressions) {
    fail(ErrorCode::kUnsupported, where_, "has more than {} parts; use a smaller grammar",
         kMaxGrammarExpressions);
  }
  if (node.depth > kMaxDepth) {
    fail(ErrorCode::kUnsupported, where_, "is nested deeper than {} parts; flatten it", kMaxDepth);
  }
  nodes_.push_back(node);
  return static_cast<Expression>(nodes_.size() - 1);
}

GrammarRules::Expression GrammarRules::literal(std::string_view bytes) {
  if (bytes_.size() + bytes.size() > kMaxGrammarTextBytes) {
    fail(ErrorCode::kUnsupported, where_, "holds more than {} bytes of text", kMaxGrammarTextBytes);
  }
  const auto begin = static_cast<uint32_t>(bytes_.size());
  bytes_ += bytes;
  return add({Kind::kLiteral, 1, begin, static_cast<uint32_t>(bytes.size())});
}

GrammarRules::Expression GrammarRules::chars(std::vector<CharRange> ranges) {
  ranges = normalise(std::move(ranges));
  if (ranges_.size() + ranges.size() > kMaxGrammarExpressions) {
    fail(ErrorCode::kUnsupported, where_, "holds more than {} character ranges", kMaxGrammarExpressions);
  }
  const auto begin = static_cast<uint32_t>(ranges_.size());
  ranges_.insert(ranges_.end(), ranges.begin(), ranges.end());
  return add({Kind::kChars, 1, begin, static_cast<uint32_t>(ranges.size())});
}

GrammarRules::Expression GrammarRules::rule(Rule rule) {
  return add({Kind::kRule, 1, rule, 1});
}

GrammarRules::Expression GrammarRules::compound(Kind kind, std::span<const Expression> parts) {
  if (parts_.size() + parts.size() > 4 * kMaxGrammarExpressions) {
    fail(ErrorCode::kUnsupported, where_, "has more than {} parts; use a smaller grammar",
         4 * kMaxGrammarExpressions);
  }
  uint16_t depth = 0;
  for (const Expression part : parts) depth = std::max(depth, nodes_[part].depth);
  const auto begin = static_cast<uint32_t>(parts_.size());
  const std::vector<Expression> copy(parts.begin(), parts.end());  // `parts` may lie in parts_
  parts_.insert(parts_.end(), copy.begin(), copy.end());
  return add({kind, static_cast<uint16_t>(depth + 1), begin, static_cast<uint32_t>(copy.size())});
}

GrammarRules::Expression GrammarRules::sequence(std::span<const Expression> parts) {
  return parts.size() == 1 ? parts[0] : compound(Kind::kSequence, parts);
}

GrammarRules::Expression GrammarRules::either(std::span<const Expression> parts) {
  return parts.size() == 1 ? parts[0] : compound(Kind::kEither, parts);
}

GrammarRules::Expression GrammarRules::repeat(Expression part, uint32_t min, uint32_t max) {
  const uint32_t largest = max == kUnbounded ? min : max;
  if (largest > kMaxGrammarRepeats) {
    fail(ErrorCode::kUnsupported, where_, "repeats a part {} times; at most {} are counted", largest,
         kMaxGrammarRepeats);
  }
  return add({Kind::kRepeat, static_cast<uint16_t>(nodes_[part].depth + 1), part, 1, min, max});
}

GrammarRules::Rule GrammarRules::add_rule(std::string_view name, bool keep) {
  if (rules_.size() >= kMaxGrammarRules) {
    fail(ErrorCode::kUnsupported, where_, "has more than {} rules", kMaxGrammarRules);
  }
  rules_.push_back({std::string(name), UINT32_MAX, keep});
  return static_cast<Rule>(rules_.size() - 1);
}

GrammarRules::Rule GrammarRules::add_rule(std::string_view name, Expression body, bool keep) {
  const Rule rule = add_rule(name, keep);
  set_body(rule, body);
  return rule;
}

void GrammarRules::rewrite_left_recursion() {
  const auto calls = [&](Expression expression, Rule rule) {
    return nodes_[expression].kind == Kind::kRule && nodes_[expression].begin == rule;
  };
  for (Rule rule = 0; rule < rules_.size(); ++rule) {
    const Expression body = rules_[rule].body;
    std::vector<Expression> alternatives{body};
    if (nodes_[body].kind == Kind::kEither) {
      const auto parts = this->parts(nodes_[body]);
      alternatives.assign(parts.begin(), parts.end());
    }
    std::vector<Expression> heads, tails;
    for (const Expression alternative : alternatives) {
      if (calls(alternative, rule)) continue;  // a ::= a adds no text
      const Node node = nodes_[alternative];
      if (node.kind == Kind::kSequence && node.count > 1 && calls(parts_[node.begin], rule)) {
        tails.push_back(sequence(parts(node).subspan(1)));
      } else {
        heads.push_back(alternative);
      }
    }
    if (heads.size() == alternatives.size() || heads.empty()) continue;
    Expression rewritten = either(heads);
    if (!tails.empty()) rewritten = sequence({rewritten, repeat(either(tails), 0, kUnbounded)});
    rules_[rule].body = rewritten;
  }
}

}  // namespace oag
