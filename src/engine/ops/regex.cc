#include "engine/ops/regex.h"

#include <utf8proc.h>

#include <map>
#include <utility>

#include "base/error.h"

namespace oag {

// Makes states from the end to the start: each node is given the state that follows it.
class Regex::Compiler {
 public:
  Compiler(Regex& regex, std::string_view where) : regex_(regex), where_(where) {}

  uint32_t compile(const RegexNode& node, uint32_t next) {
    switch (node.kind) {
      case RegexNode::kEmpty: return next;
      case RegexNode::kSet: return add({.kind = State::kSet, .set = index_of(node), .next = next});
      case RegexNode::kAssertion:
        return add({.kind = State::kAssertion, .assertion = node.assertion, .next = next});
      case RegexNode::kSequence:
        for (size_t i = node.children.size(); i-- > 0;) next = compile(node.children[i], next);
        return next;
      case RegexNode::kChoice: return compile_choice(node, next);
      case RegexNode::kRepeat: return compile_repeat(node, next);
    }
    return next;
  }

  uint32_t add(const State& state) {
    if (regex_.states_.size() == kMaxStates)
      fail(ErrorCode::kInvalidArgument, where_, "the expression is too large: it has more than {} states",
           kMaxStates);
    regex_.states_.push_back(state);
    return static_cast<uint32_t>(regex_.states_.size() - 1);
  }

 private:
  // The copies of a set that is repeated share it.
  uint32_t index_of(const RegexNode& node) {
    const auto [found, added] = indices_.try_emplace(&node, static_cast<uint32_t>(regex_.sets_.size()));
    if (added) regex_.sets_.push_back(node.set);
    return found->second;
  }

  uint32_t compile_choice(const RegexNode& node, uint32_t next) {
    uint32_t chosen = compile(node.children.back(), next);
    for (size_t i = node.children.size() - 1; i-- > 0;)
      chosen = add({.kind = State::kFork, .next = compile(node.children[i], next), .other = chosen});
    return chosen;
  }

  uint32_t compile_repeat(const RegexNode& node, uint32_t next) {
    const RegexNode& child = node.children[0];
    if (node.most == RegexNode::kNoLimit) {
      const uint32_t fork = add({.kind = State::kFork, .next = 0, .other = next});
      const uint32_t inside = compile(child, fork);
      regex_.states_[fork].next = inside;
      next = fork;
    } else {
      const uint32_t end = next;
      for (int i = node.least; i < node.most; ++i)
        next = add({.kind = State::kFork, .next = compile(child, next), .other = end});
    }
    for (int i = 0; i < node.least; ++i) {
      const uint32_t copy = compile(child, next);
      if (copy == next) break;  // it is empty, and so are the further copies
      next = copy;
    }
    return next;
  }

  Regex& regex_;
  std::string_view where_;
  std::map<const RegexNode*, uint32_t> indices_;
};

// The states that a text has led to so far.
class Regex::Run {
 public:
  static constexpr uint32_t kNoChar = UINT32_MAX;  // before the first and after the last

  explicit Run(const Regex& regex) : regex_(regex), marks_(regex.states_.size(), 0) {}

  // From the states that `before` led to, those at the place between it and `after`.
  void enter(uint32_t state, uint32_t before, uint32_t after) {
    pending_.push_back(state);
    while (!pending_.empty()) {
      const uint32_t at = pending_.back();
      pending_.pop_back();
      if (std::exchange(marks_[at], step_) == step_) continue;
      const State& here = regex_.states_[at];
      switch (here.kind) {
        case State::kSet: active_.push_back(at); break;
        case State::kEnd: ended_ = true; break;
        case State::kFork:
          pending_.push_back(here.other);
          pending_.push_back(here.next);
          break;
        case State::kAssertion:
          if (holds(here.assertion, before, after)) pending_.push_back(here.next);
          break;
      }
    }
  }

  // Takes `current`, with `after` behind it. False when no state is left.
  bool take(uint32_t current, uint32_t after) {
    std::vector<uint32_t> left = std::exchange(active_, std::move(spare_));
    active_.clear();
    ended_ = false;
    ++step_;
    for (const uint32_t at : left) {
      const State& state = regex_.states_[at];
      if (regex_.sets_[state.set].contains(current)) enter(state.next, current, after);
    }
    spare_ = std::move(left);
    return !active_.empty() || ended_;
  }

  bool ended() const { return ended_; }

 private:
  static bool is_word(uint32_t code) {
    return code != kNoChar && ((code >= '0' && code <= '9') || (code >= 'A' && code <= 'Z') || code == '_' ||
                               (code >= 'a' && code <= 'z'));
  }

  static bool holds(RegexAssertion assertion, uint32_t before, uint32_t after) {
    switch (assertion) {
      case RegexAssertion::kTextStart: return before == kNoChar;
      case RegexAssertion::kTextEnd: return after == kNoChar;
      case RegexAssertion::kLineStart: return before == kNoChar || before == '\n';
      case RegexAssertion::kLineEnd: return after == kNoChar || after == '\n';
      case RegexAssertion::kWordEdge: return is_word(before) != is_word(after);
      case RegexAssertion::kNoWordEdge: return is_word(before) == is_word(after);
    }
    return false;
  }

  const Regex& regex_;
  std::vector<uint32_t> active_, spare_, pending_;
  std::vector<uint64_t> marks_;  // the step in which a state was entered last
  uint64_t step_ = 1;
  bool ended_ = false;
};

Regex::Regex(std::string_view pattern, std::string_view where) {
  const RegexNode node = parse_regex(pattern, where);
  Compiler compiler(*this, where);
  start_ = compiler.compile(node, compiler.add({.kind = State::kEnd}));
}

bool Regex::matches(std::string_view text) const {
  size_t at = 0;
  bool well_formed = true;
  const auto read = [&]() -> uint32_t {
    if (at == text.size()) return Run::kNoChar;
    utf8proc_int32_t code = 0;
    const auto size = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
                                       static_cast<utf8proc_ssize_t>(text.size() - at), &code);
    well_formed = size > 0;
    at += well_formed ? static_cast<size_t>(size) : 0;
    return static_cast<uint32_t>(code);
  };
  Run run(*this);
  uint32_t next = read();
  run.enter(start_, Run::kNoChar, next);
  while (well_formed && next != Run::kNoChar) {
    const uint32_t current = std::exchange(next, read());
    if (!well_formed || !run.take(current, next)) return false;
  }
  return well_formed && run.ended();
}

}  // namespace oag
