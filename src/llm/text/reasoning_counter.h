#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace oag {

// Counts the tokens of an answer that are thoughts: those between <think> and </think>, or from the beginning
// where the prompt has opened them. The marks do not count, of however many tokens they are; a token that is
// partly a mark counts by its rest.
class ReasoningCounter {
 public:
  explicit ReasoningCounter(bool begins_inside) : inside_(begins_inside) {}

  // The bytes of the next token.
  void take(std::string_view token);

  // So far. Tokens that may yet become a mark count as what they are if they don't.
  int64_t tokens() const;

 private:
  void remove(size_t bytes, bool counts);

  bool inside_;
  int64_t count_ = 0;
  std::string held_;               // of which nobody knows yet whether it is a mark
  std::vector<size_t> ends_;       // of its tokens
  bool first_is_counted_ = false;  // the first of them, for bytes that stood before
};

}  // namespace oag
