#include "llm/text/grammar_json_numbers.h"

#include <charconv>
#include <cmath>
#include <vector>

#include "base/error.h"

namespace oag {
namespace {

using Expression = GrammarRules::Expression;

// A bound of a fraction's digits; absent digits are zeros.
struct Digits {
  std::string_view text;
  bool strict;

  char first() const { return text.empty() ? '0' : text[0]; }
  Digits rest() const { return {text.substr(text.empty() ? 0 : 1), strict}; }
};

std::string next_whole(std::string digits) {
  for (size_t i = digits.size(); i-- > 0;) {
    if (digits[i] != '9') {
      ++digits[i];
      return digits;
    }
    digits[i] = '0';
  }
  return "1" + digits;
}

// Of a positive number.
std::string previous_whole(std::string digits) {
  for (size_t i = digits.size(); i-- > 0;) {
    if (digits[i] != '0') {
      --digits[i];
      break;
    }
    digits[i] = '9';
  }
  return digits.size() > 1 && digits[0] == '0' ? digits.substr(1) : digits;
}

bool less(std::string_view a, std::string_view b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

class NumberRange {
 public:
  NumberRange(bool whole, GrammarRules& rules) : whole_(whole), rules_(rules) {}

  // Magnitudes of `low` and `high`.
  Expression magnitudes(const NumberBound& low, const std::optional<NumberBound>& high) {
    if (whole_) return whole_magnitudes(low, high);
    std::vector<Expression> ways;
    const Digits low_digits{low.fraction, low.strict};
    if (high && high->whole == low.whole) {
      const Expression digits = between(low_digits, {high->fraction, high->strict}, 1);
      return with_fraction(low.whole, allows_zero(low_digits, Digits{high->fraction, high->strict}), digits);
    }
    if (high && less(high->whole, low.whole)) return nothing();
    ways.push_back(with_fraction(low.whole, low.fraction.empty() && !low.strict, at_least(low_digits, 1)));
    const std::optional<std::string> last = high ? std::optional(previous_whole(high->whole)) : std::nullopt;
    const Expression fraction = rules_.sequence({rules_.literal("."), any(1)});
    ways.push_back(rules_.sequence({wholes(next_whole(low.whole), last), rules_.optional(fraction)}));
    if (high) {
      const Digits digits{high->fraction, high->strict};
      ways.push_back(
          with_fraction(high->whole, !high->fraction.empty() || !high->strict, at_most(digits, 1)));
    }
    return rules_.either(ways);
  }

 private:
  Expression nothing() { return rules_.chars({}); }
  Expression digit(char first, char last) {
    return rules_.chars({{static_cast<char32_t>(first), static_cast<char32_t>(last)}});
  }
  Expression any(uint32_t min) { return rules_.repeat(digit('0', '9'), min, kMaxFractionDigits); }
  Expression zeros(uint32_t min) { return rules_.repeat(digit('0', '0'), min, kMaxFractionDigits); }
  Expression not_zero() {
    return rules_.sequence({rules_.repeat(digit('0', '0'), 0, kMaxFractionDigits), digit('1', '9'), any(0)});
  }

  static bool allows_zero(Digits low, Digits high) {
    return low.text.empty() && !low.strict && (!high.text.empty() || !high.strict);
  }

  Expression with_fraction(std::string_view whole, bool alone, Expression digits) {
    const Expression fraction = rules_.sequence({rules_.literal("."), digits});
    return rules_.sequence({rules_.literal(whole), alone ? rules_.optional(fraction) : fraction});
  }

  // Digits behind the point, at least `min` (0 or 1) of them, with a value from `low` on.
  Expression at_least(Digits low, uint32_t min) {
    if (low.text.empty()) return low.strict ? not_zero() : any(min);
    std::vector<Expression> ways{rules_.sequence({digit(low.first(), low.first()), at_least(low.rest(), 0)})};
    if (low.first() < '9') {
      ways.push_back(rules_.sequence({digit(static_cast<char>(low.first() + 1), '9'), any(0)}));
    }
    return rules_.either(ways);
  }

  Expression at_most(Digits high, uint32_t min) {
    if (high.text.empty()) return high.strict ? nothing() : zeros(min);
    std::vector<Expression> ways{
        rules_.sequence({digit(high.first(), high.first()), at_most(high.rest(), 0)})};
    if (high.first() > '0') {
      ways.push_back(rules_.sequence({digit('0', static_cast<char>(high.first() - 1)), any(0)}));
    }
    if (min == 0) ways.push_back(rules_.literal(""));
    return rules_.either(ways);
  }

  Expression between(Digits low, Digits high, uint32_t min) {
    if (low.text.empty() && high.text.empty()) return low.strict || high.strict ? nothing() : zeros(min);
    std::vector<Expression> ways;
    if (min == 0 && allows_zero(low, high)) ways.push_back(rules_.literal(""));
    const char first = low.first(), last = high.first();
    if (first == last) {
      ways.push_back(rules_.sequence({digit(first, first), between(low.rest(), high.rest(), 0)}));
    } else if (first < last) {
      ways.push_back(rules_.sequence({digit(first, first), at_least(low.rest(), 0)}));
      ways.push_back(rules_.sequence({digit(last, last), at_most(high.rest(), 0)}));
      if (first + 1 < last) {
        ways.push_back(
            rules_.sequence({digit(static_cast<char>(first + 1), static_cast<char>(last - 1)), any(0)}));
      }
    }
    return ways.empty() ? nothing() : rules_.either(ways);
  }

  Expression whole_magnitudes(const NumberBound& low, const std::optional<NumberBound>& high) {
    const bool from_next = !low.fraction.empty() || low.strict;
    std::optional<std::string> last;
    if (high) {
      last = high->whole;
      if (high->strict && high->fraction.empty()) {
        if (high->whole == "0") return nothing();
        last = previous_whole(high->whole);
      }
    }
    return wholes(from_next ? next_whole(low.whole) : low.whole, last);
  }

  // Whole numbers without leading zeros.
  Expression wholes(const std::string& low, const std::optional<std::string>& high) {
    const std::string last =
        high && high->size() <= kMaxIntegerDigits ? *high : std::string(kMaxIntegerDigits, '9');
    if (less(last, low)) return nothing();
    std::vector<Expression> ways;
    for (size_t size = low.size(); size <= last.size(); ++size) {
      const std::string first_of_size = size == 1 ? "0" : "1" + std::string(size - 1, '0');
      const std::string a = size == low.size() ? low : first_of_size;
      const std::string b = size == last.size() ? last : std::string(size, '9');
      ways.push_back(of_one_size(a, b));
    }
    return rules_.either(ways);
  }

  Expression digits_exactly(size_t count) {
    const auto n = static_cast<uint32_t>(count);
    return rules_.repeat(digit('0', '9'), n, n);
  }

  Expression of_one_size(std::string_view low, std::string_view high) {
    if (low.empty()) return rules_.literal("");
    const bool all = low.find_first_not_of('0') == std::string_view::npos &&
                     high.find_first_not_of('9') == std::string_view::npos;
    if (all) return digits_exactly(low.size());
    const char first = low[0], last = high[0];
    if (first == last) {
      return rules_.sequence({digit(first, first), of_one_size(low.substr(1), high.substr(1))});
    }
    const std::string nines(low.size() - 1, '9'), zeros(low.size() - 1, '0');
    std::vector<Expression> ways{rules_.sequence({digit(first, first), of_one_size(low.substr(1), nines)}),
                                 rules_.sequence({digit(last, last), of_one_size(zeros, high.substr(1))})};
    if (first + 1 < last) {
      ways.push_back(rules_.sequence({digit(static_cast<char>(first + 1), static_cast<char>(last - 1)),
                                      digits_exactly(low.size() - 1)}));
    }
    return rules_.either(ways);
  }

  const bool whole_;
  GrammarRules& rules_;
};

}  // namespace

NumberBound read_bound(const Json& value, bool strict, std::string_view where) {
  if (!value.is_number())
    fail(ErrorCode::kInvalidArgument, where, "must be a number, is {}", value.type_name());
  std::string text;
  if (value.is_number_float()) {
    char digits[512];
    const double number = value.get<double>();
    if (!std::isfinite(number)) fail(ErrorCode::kInvalidArgument, where, "must be a finite number");
    const auto end = std::to_chars(digits, digits + sizeof digits, number, std::chars_format::fixed);
    text.assign(digits, end.ptr);
  } else {
    text = value.dump();
  }
  NumberBound bound;
  bound.strict = strict;
  bound.negative = text[0] == '-';
  if (bound.negative) text.erase(0, 1);
  const size_t point = text.find('.');
  bound.whole = text.substr(0, point);
  if (point != std::string::npos) bound.fraction = text.substr(point + 1);
  while (!bound.fraction.empty() && bound.fraction.back() == '0') bound.fraction.pop_back();
  if (bound.is_zero()) bound.negative = false;
  return bound;
}

GrammarRules::Expression numbers_between(const std::optional<NumberBound>& low,
                                         const std::optional<NumberBound>& high, bool whole,
                                         GrammarRules& rules) {
  NumberRange range(whole, rules);
  std::vector<Expression> ways;
  if (!high || !high->negative) {
    const NumberBound zero;
    ways.push_back(range.magnitudes(low && !low->negative ? *low : zero, high));
  }
  if (!low || low->negative) {
    NumberBound from;
    from.strict = true;  // zero has no sign
    if (high && high->negative) from = *high;
    ways.push_back(rules.sequence({rules.literal("-"), range.magnitudes(from, low)}));
  }
  return ways.empty() ? rules.chars({}) : rules.either(ways);
}

}  // namespace oag
