#pragma once

#include <optional>

#include "engine/ops/kernel.h"
#include "engine/ops/schema.h"

namespace oag {

// Products over the last two dims of A and B, the dims before them broadcast; a vector is a row on the left,
// a column on the right.

// The shape of the product of inputs a and b, or nothing when one has no known rank. Errors: through
// `context`.
std::optional<Shape> product_shape(const InferenceContext& context, size_t a, size_t b);
Dims product_dims(const KernelContext& context, const Dims& a, const Dims& b);

// out, of product_dims(a, b), = a · b. Sums are made in the wide type of a's, which b has to share; integers
// wrap around.
void multiply_matrices(KernelContext& context, const Tensor& a, const Tensor& b, const Tensor& out);

}  // namespace oag
