#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/ops/kernel.h"

namespace oag {

// Errors: kInvalidArgument when q, k, v and state of an oag.PagedAttention do not belong together; the shape
// rule cannot see that where dims are symbols.
void check_paged_attention(const KernelContext& context);

// The ragged batch of one oag.PagedAttention: which tokens belong to which sequence, and where its pages are.
struct PagedBatch {
  struct Sequence {
    int64_t first_token;  // index of its first new token in the batch
    int64_t new_tokens;
    int64_t first_position;  // cache position of that token
    int64_t context;         // positions in the cache once the new tokens are stored
    std::span<const int32_t> pages;
  };
  std::vector<Sequence> sequences;

  // Reads inputs 4, 5 and 6. Errors: kInvalidArgument when they contradict each other or point outside the
  // cache.
  static PagedBatch read(const KernelContext& context);
};

// Element access to a paged cache of any storage; for reference kernels and tests.
struct PagedCache {
  explicit PagedCache(const Tensor& state);

  // Writes one position's keys and values, [heads * head_size] each, rounding to the storage.
  void store(const PagedBatch::Sequence& sequence, int64_t position, std::span<const float> k,
             std::span<const float> v) const;
  void load_key(const PagedBatch::Sequence& sequence, int64_t position, int64_t head,
                std::span<float> row) const;
  void load_value(const PagedBatch::Sequence& sequence, int64_t position, int64_t head,
                  std::span<float> row) const;

  // Bytes of one head's row at a position; kind is 0 for keys and 1 for values.
  std::span<std::byte> row(const PagedBatch::Sequence& sequence, int64_t position, int64_t kind,
                           int64_t head) const;

  DType dtype;
  int64_t pages, heads, page_tokens, head_size;
  size_t row_size_bytes;

 private:
  std::byte* data_;
};

}  // namespace oag
