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

// A paged cache of any storage: state [pages, 2, heads, page_tokens, head_size], keys then values. Of one
// head in one page, values stand position by position, as rows of the storage; keys stand dim by dim,
// [head_size, page_tokens], so that the scores of neighbouring positions are neighbours (q8_0: int8 levels in
// this order, then their f16 scales [head_size / 32, page_tokens]).
struct PagedCache {
  explicit PagedCache(const Tensor& state);

  // Writes one position's keys and values, [heads * head_size] each, rounding to the storage.
  void store(const PagedBatch::Sequence& sequence, int64_t position, std::span<const float> k,
             std::span<const float> v) const;
  void load_key(const PagedBatch::Sequence& sequence, int64_t position, int64_t head,
                std::span<float> row) const;
  void load_value(const PagedBatch::Sequence& sequence, int64_t position, int64_t head,
                  std::span<float> row) const;

  // The keys of one head in the page that holds the position.
  std::byte* keys(const PagedBatch::Sequence& sequence, int64_t position, int64_t head) const {
    return page_of(sequence, position, 0, head);
  }
  // Where the scales of q8_0 keys begin.
  size_t key_scales_offset() const { return static_cast<size_t>(head_size * page_tokens); }
  // One head's value row at a position.
  std::byte* value_row(const PagedBatch::Sequence& sequence, int64_t position, int64_t head) const {
    return page_of(sequence, position, 1, head) +
           static_cast<size_t>(position % page_tokens) * row_size_bytes;
  }

  DType dtype;
  int64_t pages, heads, page_tokens, head_size;
  size_t row_size_bytes;  // of one position and head

 private:
  std::byte* page_of(const PagedBatch::Sequence& sequence, int64_t position, int64_t kind,
                     int64_t head) const {
    const int64_t page = sequence.pages[static_cast<size_t>(position / page_tokens)];
    return data_ + static_cast<size_t>(((page * 2 + kind) * heads + head) * page_tokens) * row_size_bytes;
  }

  std::byte* data_;
};

}  // namespace oag
