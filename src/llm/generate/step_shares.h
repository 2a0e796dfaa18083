#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/function_ref.h"

namespace oag {

// A prompt that is being read.
struct PromptShare {
  int priority = 0;
  int64_t pending = 0;  // tokens to read
  int64_t tokens = 0;   // of them in this step: what share_step() sets
};

// Divides the tokens of a step among prompts, which are in order of priority, then arrival. Higher priorities
// take what they can use. Within one, half goes to the prompt that came first, so that each comes to its end;
// the other half to those with the fewest tokens left, so that a short one does not wait for a long one; what
// is left over to the first again. `waits(prompt, others)` says whether a prompt should let this step pass
// because of what `others`, which have their share, do in it.
void share_step(std::span<PromptShare> prompts, int64_t budget,
                FunctionRef<bool(size_t, std::span<const size_t>)> waits);

}  // namespace oag
