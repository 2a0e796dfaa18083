#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "llm/text/vocabulary.h"

namespace oag {

// 32-bit words that a mask over `tokens` tokens takes.
constexpr size_t mask_words(size_t tokens) {
  return (tokens + 31) / 32;
}

// What an answer may hold, token by token. One object belongs to one answer and is used by one thread at a
// time; mask() depends on nothing but what was accepted, so it may run beside the forward pass.
class TokenConstraint {
 public:
  virtual ~TokenConstraint() = default;

  // Overwrites `bits`: bit i % 32 of word i / 32 is set where token i may come next, among them the end ids
  // where the text may end. Bits past the vocabulary are cleared. At least one bit is set. Errors:
  // kInvalidArgument where `bits` is shorter than the vocabulary or no token fits, kUnsupported where the
  // work of one step passes its bound (the answer cannot go on).
  virtual void mask(std::span<uint32_t> bits) = 0;

  // Takes the token that was chosen. False, and nothing changes, where the mask would not have held it.
  // Errors: kUnsupported as for mask().
  virtual bool accept(TokenId id) = 0;

  // Nothing but the end may follow: the answer can stop here without asking the model for an end id.
  virtual bool complete() const = 0;
};

}  // namespace oag
