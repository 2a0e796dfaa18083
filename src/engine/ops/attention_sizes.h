#pragma once

#include <cstdint>

#include "engine/ops/kernel.h"

namespace oag {

// Inputs and outputs of Attention, in order.
enum class AttentionInput : size_t { kQ, kK, kV, kMask, kPastKey, kPastValue, kValidKeys };
enum class AttentionOutput : size_t { kY, kPresentKey, kPresentValue, kScores };

// What the inputs of one Attention are: [batch, heads, tokens, size], or [batch, tokens, heads * size] with
// the heads given as attributes.
struct AttentionSizes {
  // Errors: kInvalidArgument where inputs and attributes do not belong together.
  explicit AttentionSizes(const KernelContext& context);

  // Where a row of one head's values begins and how far its next one is, in elements.
  struct Rows {
    int64_t first, step;
  };
  Rows q_rows(int64_t b, int64_t head) const { return rows(b, head, heads, queries, size); }
  Rows k_rows(int64_t b, int64_t head) const { return rows(b, head, key_heads, new_keys, size); }
  Rows v_rows(int64_t b, int64_t head) const { return rows(b, head, key_heads, new_keys, value_size); }
  Rows y_rows(int64_t b, int64_t head) const { return rows(b, head, heads, queries, value_size); }
  int64_t key_head(int64_t head) const { return head / (heads / key_heads); }
  Dims y_dims() const;

  int64_t batch = 0, heads = 0, key_heads = 0;
  int64_t queries = 0, past = 0, new_keys = 0;
  int64_t keys = 0;  // past and new
  int64_t size = 0, value_size = 0;
  bool heads_inside = false;  // rank 3
  bool causal = false;
  int64_t left_window = -1, right_window = -1;  // -1: none
  float scale = 0;

 private:
  Rows rows(int64_t b, int64_t head, int64_t count, int64_t tokens, int64_t width) const {
    if (heads_inside) return {(b * tokens * count + head) * width, count * width};
    return {(b * count + head) * tokens * width, width};
  }
};

// The mask of one Attention, which broadcasts to [batch, heads, queries, keys]; keys behind its last are
// masked.
class AttentionMask {
 public:
  // Errors: kInvalidArgument where it does not broadcast.
  AttentionMask(const KernelContext& context, const AttentionSizes& sizes);

  bool given() const { return width_ >= 0; }
  int64_t width() const { return width_; }  // keys that it has; -1 without a mask
  // Element of the mask where a query's row begins.
  int64_t row(int64_t b, int64_t head, int64_t query) const {
    return b * batch_step_ + head * head_step_ + query * query_step_;
  }

 private:
  int64_t width_ = -1, batch_step_ = 0, head_step_ = 0, query_step_ = 0;
};

}  // namespace oag
