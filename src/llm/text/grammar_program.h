#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "llm/text/grammar_rules.h"

namespace oag {

inline constexpr size_t kMaxGrammarStates = 200'000;

// Bit b: some edge tells byte b from byte b - 1.
using ByteBoundaries = std::array<uint64_t, 4>;

// The pushdown automaton of a grammar over bytes: one nondeterministic automaton a rule, whose edges take a
// byte, call another rule, or take nothing. From every state the end of its rule can be reached. Immutable.
class GrammarProgram {
 public:
  struct ByteEdge {
    uint8_t first, last;  // inclusive
    uint32_t target;
  };
  struct CallEdge {
    uint32_t start;   // first state of the called rule
    uint32_t target;  // where it goes on behind the call
  };

  // Errors: kInvalidArgument for a rule without a body and for a root that describes no finite text;
  // kUnsupported for left recursion through other rules and above kMaxGrammarStates.
  static std::shared_ptr<const GrammarProgram> build(GrammarRules rules, GrammarRules::Rule root);

  uint32_t start() const { return start_; }
  // The end of the text: one past the states of the rules, without edges.
  uint32_t final_state() const { return static_cast<uint32_t>(ends_rule_.size()); }
  std::span<const ByteEdge> byte_edges(uint32_t state) const { return slice(bytes_, byte_begin_, state); }
  std::span<const CallEdge> call_edges(uint32_t state) const { return slice(calls_, call_begin_, state); }
  std::span<const uint32_t> empty_edges(uint32_t state) const { return slice(empties_, empty_begin_, state); }
  bool ends_rule(uint32_t state) const { return ends_rule_[state]; }
  // The state does nothing but end its rule.
  bool only_ends(uint32_t state) const { return only_ends_[state]; }

  // What the edges tell apart that can be followed from a state without leaving its rule or reading a
  // backslash: the letters that may follow one would split every word.
  const ByteBoundaries& boundaries(uint32_t state) const { return boundaries_[state]; }
  // A state that takes and refuses the same texts of up to `bytes` bytes: one nearer to the end of a counted
  // repetition that is long enough, else the state itself.
  uint32_t nearest_alike(uint32_t state, uint32_t bytes) const {
    const uint32_t at = count_at_[state];
    if (at == UINT32_MAX || count_end_[at] - at <= bytes + 1) return state;
    return counted_[count_end_[at] - bytes - 1];
  }

  // Bytes that no edge tells apart have one class.
  uint8_t byte_class(uint8_t byte) const { return class_of_[byte]; }
  size_t classes() const { return class_bytes_.size(); }
  uint8_t class_byte(size_t byte_class) const { return class_bytes_[byte_class]; }

 private:
  friend class GrammarProgramBuilder;
  GrammarProgram() = default;

  template <typename T>
  static std::span<const T> slice(const std::vector<T>& all, const std::vector<uint32_t>& begin,
                                  uint32_t state) {
    return state + 1 < begin.size() ? std::span(all).subspan(begin[state], begin[state + 1] - begin[state])
                                    : std::span<const T>();
  }

  uint32_t start_ = 0;
  std::vector<ByteEdge> bytes_;
  std::vector<CallEdge> calls_;
  std::vector<uint32_t> empties_;
  std::vector<uint32_t> byte_begin_, call_begin_, empty_begin_;  // [states + 1]
  std::vector<bool> ends_rule_, only_ends_;
  std::vector<ByteBoundaries> boundaries_;
  // Places of counted repetitions, those of one stretch behind each other; where each stretch ends; and by
  // state its place or UINT32_MAX.
  std::vector<uint32_t> counted_, count_end_, count_at_;
  std::array<uint8_t, 256> class_of_{};
  std::vector<uint8_t> class_bytes_;
};

}  // namespace oag
