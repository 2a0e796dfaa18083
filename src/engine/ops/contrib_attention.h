#pragma once

#include <functional>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/schema.h"

namespace oag {

// Pieces of the attention operators of com.microsoft.

// Heads of a few tokens, in double: [batch, heads, tokens, width].
struct HeadArray {
  HeadArray() = default;
  HeadArray(int64_t batch, int64_t heads, int64_t tokens, int64_t width);
  double* at(int64_t b, int64_t h, int64_t t) {
    return values.data() + ((b * heads + h) * tokens + t) * width;
  }
  const double* at(int64_t b, int64_t h, int64_t t) const {
    return values.data() + ((b * heads + h) * tokens + t) * width;
  }

  int64_t batch = 0, heads = 0, tokens = 0, width = 0;
  std::vector<double> values;
};

// `heads` of `width` values of each token, from place `column` of rows [batch, tokens, row]; rows of one
// token are `row` apart.
HeadArray heads_of_rows(const Tensor& tensor, int64_t batch, int64_t tokens, int64_t row, int64_t column,
                        int64_t heads, int64_t width);
// A tensor [batch, heads, tokens, width].
HeadArray heads_of_array(const Tensor& tensor);

// One attention: which score query s has at key t beside its product, and whether it sees it.
struct AttentionRule {
  double scale = 1;
  double softcap = 0;                                                      // 0: none
  std::function<bool(int64_t b, int64_t s, int64_t t)> sees;               // null: all
  std::function<double(int64_t b, int64_t h, int64_t s, int64_t t)> bias;  // null: none
  std::function<double(int64_t h)> sink;  // a score that takes part in the softmax only; null: none
};

// out [batch, tokens of q, heads of q * width of v] = softmax(q · kᵀ) · v; several heads of q may share one
// of k. A query that sees nothing gives zeros.
void attend(KernelEnv& env, const HeadArray& q, const HeadArray& k, const HeadArray& v,
            const AttentionRule& rule, const Tensor& out);

// Stores heads as they are.
void store_heads(const HeadArray& heads, const Tensor& out);

// Turns the first 2 * (width of the caches) values of a head in pairs, by row `position` of cos and sin.
void rotate_head(const Tensor& cos, const Tensor& sin, int64_t position, bool interleaved, double* head);

// attention_bias [batch or 1, heads or 1, queries, keys] in an input: its value, broadcast. Errors: through
// `context` for other dims.
std::function<double(int64_t, int64_t, int64_t, int64_t)> read_attention_bias(const KernelContext& context,
                                                                              size_t input, Dims wanted);

}  // namespace oag
