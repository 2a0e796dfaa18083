#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "llm/text/grammar_json_text.h"

namespace oag {

// A bound of a number, written without an exponent.
struct NumberBound {
  bool negative = false;
  std::string whole = "0";  // no leading zeros
  std::string fraction;     // no trailing zeros
  bool strict = false;      // the bound itself is outside

  bool is_zero() const { return whole == "0" && fraction.empty(); }
};

// Errors: kInvalidArgument for what is no number.
NumberBound read_bound(const Json& value, bool strict, std::string_view where);

// The numbers from `low` to `high` (absent: no bound) without exponents, with at most kMaxIntegerDigits
// digits before the point and, unless `whole`, kMaxFractionDigits more behind it than the bounds have.
GrammarRules::Expression numbers_between(const std::optional<NumberBound>& low,
                                         const std::optional<NumberBound>& high, bool whole,
                                         GrammarRules& rules);

}  // namespace oag
