#include "llm/text/grammar.h"

#include "base/error.h"
#include "llm/text/grammar_json_schema.h"
#include "llm/text/grammar_program.h"
#include "llm/text/grammar_readers.h"
#include "llm/text/unicode.h"

namespace oag {
namespace {

// The forms that the client of Open-AutoGLM parses. It reads an action as one Python call whose arguments are
// literals, so texts keep to one line and escape quotes; coordinates are thousandths of the screen.
constexpr std::string_view kPhoneAgentAction = R"GBNF(
root    ::= "do(action=" action ")" | "finish(message=" text ")"
action  ::= "\"Launch\"" sep "app=" text
          | ( "\"Tap\"" | "\"Double Tap\"" | "\"Long Press\"" ) sep "element=" point ( sep "message=" text )?
          | ( "\"Type\"" | "\"Type_Name\"" ) sep "text=" text
          | "\"Swipe\"" sep "start=" point sep "end=" point
          | ( "\"Note\"" | "\"Take_over\"" ) sep "message=" text
          | "\"Call_API\"" sep "instruction=" text
          | "\"Interact\"" ( sep "message=" text )?
          | "\"Back\"" | "\"Home\""
          | "\"Wait\"" sep "duration=\"" number ( "." [0-9] )? " second" "s"? "\""
sep     ::= "," " "?
point   ::= "[" thousandth sep thousandth "]"
thousandth ::= "0" | [1-9] [0-9]{0,2} | "1000"
number  ::= "0" | [1-9] [0-9]{0,2}
text    ::= "\"" ( [^"\\\x00-\x1F\x7F] | "\\" ["'\\nt] )* "\""
)GBNF";

}  // namespace

std::shared_ptr<const Grammar> Grammar::make(GrammarRules rules, uint32_t root) {
  return std::shared_ptr<const Grammar>(new Grammar(GrammarProgram::build(std::move(rules), root)));
}

std::shared_ptr<const Grammar> Grammar::from_gbnf(std::string_view text, std::string_view where) {
  GrammarRules rules(where);
  const auto root = read_gbnf(text, rules);
  return make(std::move(rules), root);
}

std::shared_ptr<const Grammar> Grammar::from_json_schema(const Json& schema, std::string_view where,
                                                         JsonWhitespace whitespace) {
  GrammarRules rules(where);
  const auto root = read_json_schema(schema, where, whitespace, rules);
  return make(std::move(rules), root);
}

std::shared_ptr<const Grammar> Grammar::from_marked_json(const Json& schema, const Marks& marks,
                                                         std::string_view where) {
  GrammarRules rules(where);
  const auto json = rules.rule(read_json_schema(schema, where, JsonWhitespace::kFlexible, rules));
  const auto blank = rules.repeat(rules.chars({{U' ', U' '}, {U'\n', U'\n'}}), 0, 2);
  auto text = rules.sequence({blank, json});
  if (!marks.end.empty()) {
    text = rules.sequence({text, blank, rules.literal(marks.end)});
    if (marks.several) {
      const auto more = rules.sequence({blank, rules.literal(marks.begin), text});
      text = rules.sequence({text, rules.repeat(more, 0, kUnbounded)});
    }
  }
  const auto root = rules.add_rule("calls", text);
  return make(std::move(rules), root);
}

std::shared_ptr<const Grammar> Grammar::any_json_object(JsonWhitespace whitespace) {
  return from_json_schema({{"type", "object"}}, "json_object", whitespace);
}

std::shared_ptr<const Grammar> Grammar::from_regex(std::string_view pattern, std::string_view where) {
  GrammarRules rules(where);
  const auto write_chars = [&](std::vector<CharRange> ranges) { return rules.chars(std::move(ranges)); };
  const auto root =
      rules.add_rule("regex", read_regex(pattern, where, RegexMatch::kWhole, rules, write_chars));
  return make(std::move(rules), root);
}

std::shared_ptr<const Grammar> Grammar::from_choices(std::span<const std::string> choices,
                                                     std::string_view where) {
  if (choices.empty()) fail(ErrorCode::kInvalidArgument, where, "has no choices; name at least one text");
  GrammarRules rules(where);
  std::vector<GrammarRules::Expression> texts;
  for (size_t i = 0; i < choices.size(); ++i) {
    if (!is_valid_utf8(choices[i]))
      fail(ErrorCode::kInvalidArgument, where, "choice {} is not valid UTF-8", i);
    if (choices[i].empty()) fail(ErrorCode::kInvalidArgument, where, "choice {} is empty", i);
    texts.push_back(rules.literal(choices[i]));
  }
  const auto root = rules.add_rule("choice", rules.either(texts));
  return make(std::move(rules), root);
}

std::shared_ptr<const Grammar> Grammar::phone_agent_action() {
  return from_gbnf(kPhoneAgentAction, "phone agent");
}

}  // namespace oag
