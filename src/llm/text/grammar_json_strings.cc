#include "llm/text/grammar_json_strings.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "llm/text/grammar_readers.h"

namespace oag {
namespace {

using Expression = GrammarRules::Expression;

struct Format {
  std::string_view name, pattern;
};

#define OAG_DATE                                                                                             \
  "([1-9]\\d{3}-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|1\\d|2[" \
  "0-8]))"                                                                                                   \
  "|([1-9]\\d(0[48]|[2468][048]|[13579][26])|([2468][048]|[13579][26])00)-02-29)"
#define OAG_TIME "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,9})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)"
#define OAG_LABEL "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define OAG_IPV4 "((25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)\\.){3}(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
#define OAG_H16 "[0-9A-Fa-f]{1,4}"
#define OAG_H16S(more) "(" OAG_H16 "(:" OAG_H16 "){" more "})?"
#define OAG_URI_CHAR "([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"

// RFC 3339 (years from 1000 on, no leap seconds), RFC 4122, RFC 2673 (ipv4), RFC 4291 (ipv6), RFC 1123
// (hostname), RFC 5321 (email, names without quotes), RFC 3986 (uri with an authority).
constexpr Format kFormats[] = {
    {"date", OAG_DATE},
    {"time", OAG_TIME},
    {"date-time", OAG_DATE "T" OAG_TIME},
    {"duration",
     "P(\\d+W|\\d+Y(\\d+M(\\d+D)?)?(T(\\d+H(\\d+M(\\d+S)?)?|\\d+M(\\d+S)?|\\d+S))?"
     "|\\d+M(\\d+D)?(T(\\d+H(\\d+M(\\d+S)?)?|\\d+M(\\d+S)?|\\d+S))?"
     "|\\d+D(T(\\d+H(\\d+M(\\d+S)?)?|\\d+M(\\d+S)?|\\d+S))?"
     "|T(\\d+H(\\d+M(\\d+S)?)?|\\d+M(\\d+S)?|\\d+S))"},
    {"uuid", "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"},
    {"ipv4", OAG_IPV4},
    {"ipv6",
     "(" OAG_H16 ":){7}" OAG_H16 "|::" OAG_H16S("0,6") "|" OAG_H16 "::" OAG_H16S(
         "0,5") "|(" OAG_H16
                ":){2}:" OAG_H16S("0,4") "|(" OAG_H16 ":){3}:" OAG_H16S("0,3") "|(" OAG_H16 ":){4}:" OAG_H16S(
                    "0,2") "|(" OAG_H16 ":){5}:" OAG_H16S("0,1") "|(" OAG_H16 ":){6}:(" OAG_H16 ")?|(" OAG_H16
                                                                 ":){7}:"},
    {"hostname", OAG_LABEL "(\\." OAG_LABEL "){0,3}"},
    {"email",
     "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@" OAG_LABEL "(\\." OAG_LABEL ")+"},
    {"uri", "[A-Za-z][A-Za-z0-9+.-]*://" OAG_LABEL "(\\." OAG_LABEL ")*(:\\d{1,5})?(/" OAG_URI_CHAR
            "*)*(\\?(" OAG_URI_CHAR "|[/?])*)?(#(" OAG_URI_CHAR "|[/?])*)?"},
};

#undef OAG_DATE
#undef OAG_TIME
#undef OAG_LABEL
#undef OAG_IPV4
#undef OAG_H16
#undef OAG_H16S
#undef OAG_URI_CHAR

struct Lengths {
  uint64_t min = 0, max = 0;  // in characters; kUnbounded and above: no bound
};

// How many characters the texts of an expression have whose kChars stand for one character each.
Lengths lengths_of(const GrammarRules& rules, Expression expression) {
  const auto& node = rules.nodes()[expression];
  const auto bounded = [](uint64_t n) { return std::min<uint64_t>(n, kUnbounded); };
  Lengths total;
  switch (node.kind) {
    case GrammarRules::Kind::kChars: return {1, 1};
    case GrammarRules::Kind::kLiteral:
    case GrammarRules::Kind::kRule: return {0, kUnbounded};
    case GrammarRules::Kind::kRepeat: {
      const Lengths part = lengths_of(rules, node.begin);
      return {bounded(part.min * node.min), bounded(part.max * node.max)};
    }
    case GrammarRules::Kind::kSequence:
      for (const Expression part : rules.parts(node)) {
        const Lengths lengths = lengths_of(rules, part);
        total = {bounded(total.min + lengths.min), bounded(total.max + lengths.max)};
      }
      return total;
    case GrammarRules::Kind::kEither:
      total.min = kUnbounded;
      for (const Expression part : rules.parts(node)) {
        const Lengths lengths = lengths_of(rules, part);
        total = {std::min(total.min, lengths.min), std::max(total.max, lengths.max)};
      }
      return total;
  }
  return total;
}

void check_lengths(std::string_view pattern, RegexMatch match, uint32_t min, uint32_t max,
                   const std::string& where) {
  if (min == 0 && max == kUnbounded) return;
  GrammarRules scratch(where);
  const auto write_chars = [&](std::vector<CharRange> ranges) { return scratch.chars(std::move(ranges)); };
  const Lengths lengths = lengths_of(scratch, read_regex(pattern, where, match, scratch, write_chars));
  if (lengths.min >= min && lengths.max <= max) return;
  fail(ErrorCode::kUnsupported, where,
       "minLength and maxLength beside a pattern or format that does not imply them; put the lengths into "
       "the pattern");
}

}  // namespace

uint32_t read_count(const Json& schema, const char* keyword, uint32_t otherwise, std::string_view where) {
  const auto found = schema.find(keyword);
  if (found == schema.end()) return otherwise;
  const bool is_whole =
      found->is_number_integer() ||
      (found->is_number_float() && std::floor(found->get<double>()) == found->get<double>());
  if (!is_whole || found->get<double>() < 0) {
    fail(ErrorCode::kInvalidArgument, where, "\"{}\" must be a whole number from 0 on", keyword);
  }
  return static_cast<uint32_t>(std::min(found->get<double>(), double{kUnbounded - 1}));
}

GrammarRules::Expression read_string_schema(const Json& schema, const std::string& where, JsonText& json,
                                            GrammarRules& rules) {
  const uint32_t min = read_count(schema, "minLength", 0, where);
  const uint32_t max = read_count(schema, "maxLength", kUnbounded, where);
  if (min > max) return rules.chars({});
  std::string pattern;
  RegexMatch match = RegexMatch::kSearch;
  if (const auto format = schema.find("format"); format != schema.end()) {
    const auto known = std::find_if(std::begin(kFormats), std::end(kFormats),
                                    [&](const Format& f) { return *format == std::string(f.name); });
    if (known == std::end(kFormats)) {
      fail(ErrorCode::kUnsupported, where, "the format {} is not known; remove it or use a pattern",
           format->dump().substr(0, 100));
    }
    if (schema.contains("pattern")) {
      fail(ErrorCode::kUnsupported, where, "\"pattern\" and \"format\" together are not supported; keep one");
    }
    pattern = known->pattern;
    match = RegexMatch::kWhole;
  } else if (const auto written = schema.find("pattern"); written != schema.end()) {
    if (!written->is_string()) fail(ErrorCode::kInvalidArgument, where, "\"pattern\" must be a string");
    pattern = written->get<std::string>();
  } else {
    if (min == 0 && max == kUnbounded) return json.string();
    return rules.rule(rules.add_rule("string", json.string_of_length(min, max), true));
  }
  check_lengths(pattern, match, min, max, where);
  const auto write_chars = [&](std::vector<CharRange> ranges) { return json.plain_form(std::move(ranges)); };
  return rules.rule(rules.add_rule(
      "pattern", json.quoted(read_regex(pattern, where + "/pattern", match, rules, write_chars)), true));
}

}  // namespace oag
