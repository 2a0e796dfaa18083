#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/ops/char_set.h"

namespace oag {

// Places between two characters.
enum class RegexAssertion { kTextStart, kTextEnd, kLineStart, kLineEnd, kWordEdge, kNoWordEdge };

// A parsed regular expression.
struct RegexNode {
  enum Kind { kEmpty, kSet, kAssertion, kSequence, kChoice, kRepeat };
  static constexpr int kNoLimit = -1;

  Kind kind = kEmpty;
  CharSet set = {};
  RegexAssertion assertion = RegexAssertion::kTextStart;
  int least = 0, most = kNoLimit;  // of kRepeat
  std::vector<RegexNode> children = {};
};

// Reads the syntax of RE2 (https://github.com/google/re2/wiki/Syntax) but \C and the names of scripts.
// `where` names the expression in errors. Errors: kInvalidArgument.
RegexNode parse_regex(std::string_view pattern, std::string_view where);

// A regular expression, run as a set of states: a match takes time in the length of the text times that of
// the expression, whatever they are. Safe to share between threads.
class Regex {
 public:
  // Errors: kInvalidArgument for what is no expression, and for one that is larger than kMaxStates.
  Regex(std::string_view pattern, std::string_view where);

  // Whether the whole text matches; never for a text that is no UTF-8.
  bool matches(std::string_view text) const;

  static constexpr size_t kMaxStates = 50'000;

 private:
  struct State {
    enum Kind : uint8_t { kSet, kAssertion, kFork, kEnd } kind;
    RegexAssertion assertion = RegexAssertion::kTextStart;
    uint32_t set = 0;              // index into sets_
    uint32_t next = 0, other = 0;  // other: of kFork
  };
  class Compiler;
  class Run;

  std::vector<State> states_;
  std::vector<CharSet> sets_;
  uint32_t start_ = 0;
};

}  // namespace oag
