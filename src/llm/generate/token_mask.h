#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "llm/text/token_constraint.h"

namespace oag {

// Copies to `row` [logits.size()] the logits of the tokens that `mask` allows, and -inf for the others. Bit
// i % 32 of word i / 32 allows token i; tokens past the mask are not allowed.
void copy_allowed(std::span<const float> logits, std::span<const uint32_t> mask, std::span<float> row);

// The mask that allows `ids` alone, as long as the largest of them needs.
std::vector<uint32_t> mask_of(std::span<const TokenId> ids);

}  // namespace oag
