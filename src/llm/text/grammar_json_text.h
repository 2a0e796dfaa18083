#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "llm/text/grammar.h"
#include "llm/text/grammar_rules.h"

namespace oag {

// Digits that numbers may have: enough for every 64-bit integer and double, and bounded so that a model that
// repeats itself comes to an end.
inline constexpr uint32_t kMaxIntegerDigits = 19, kMaxFractionDigits = 20, kMaxExponentDigits = 3;

// The parts of JSON text (RFC 8259) as rules, added to the grammar when first asked for.
class JsonText {
 public:
  using Expression = GrammarRules::Expression;

  JsonText(GrammarRules& rules, JsonWhitespace whitespace) : rules_(rules), whitespace_(whitespace) {}

  // Whitespace stands where pretty-printers put it: behind brackets and commas and before closing brackets
  // (nothing, a blank, or a line break and indentation), and behind colons (nothing or a blank).
  Expression blank();
  Expression comma();  // with the whitespace behind it
  Expression colon();  // likewise
  Expression string();
  Expression integer();
  Expression number();
  Expression object();
  Expression array();
  Expression value();

  // One character of a string in any of its forms, and strings of min … max of them.
  Expression string_char();
  Expression string_of_length(uint32_t min, uint32_t max);
  // One of `ranges` in the one form that json.dumps(…, ensure_ascii=False) gives it.
  Expression plain_form(std::vector<CharRange> ranges);
  // A string whose text `content` describes in plain forms.
  Expression quoted(Expression content);
  // Any string in plain form but these.
  Expression string_except(std::span<const std::string> texts);

  Expression key_and_value(std::string_view key, Expression value);
  Expression enclosed(std::string_view open, Expression inner, std::string_view close);
  // Exactly this value; members in its order.
  Expression exactly(const Json& value);

 private:
  Expression string_char_forms();
  Expression except_below(std::span<const std::string> sorted, size_t depth);

  GrammarRules& rules_;
  JsonWhitespace whitespace_;
  static constexpr GrammarRules::Rule kNone = UINT32_MAX;
  GrammarRules::Rule blank_ = kNone, string_ = kNone, char_ = kNone, plain_char_ = kNone, integer_ = kNone,
                     number_ = kNone, value_ = kNone, object_ = kNone, array_ = kNone;
};

}  // namespace oag
