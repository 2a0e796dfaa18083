#include "engine/ops/paged_cache.h"

#include <cstring>

#include "base/error.h"
#include "engine/tensor/block_format.h"
#include "engine/tensor/quantize.h"

namespace oag {
namespace {

[[noreturn]] void refuse(const KernelContext& context, const std::string& message) {
  fail(ErrorCode::kInvalidArgument, "node " + context.node().name, "{}", message);
}

// Where the parts of one key, encoded as a row, stand in its page.
class KeyPlaces {
 public:
  KeyPlaces(const PagedCache& cache, int64_t position)
      : cache_(cache), token_(static_cast<size_t>(position % cache.page_tokens)) {}

  // Calls visit(bytes from the row's begin, bytes from the page's begin, size).
  template <typename Visit>
  void visit(Visit visit) const {
    const auto stride = static_cast<size_t>(cache_.page_tokens), d = static_cast<size_t>(cache_.head_size);
    if (cache_.dtype != DType::kQ8_0) {
      const size_t size = cache_.row_size_bytes / d;
      for (size_t i = 0; i < d; ++i) visit(i * size, (i * stride + token_) * size, size);
      return;
    }
    constexpr size_t kBlockBytes = 34, kBlockValues = 32;  // a scale, then the levels
    for (size_t i = 0; i < d; ++i)
      visit(i / kBlockValues * kBlockBytes + 2 + i % kBlockValues, i * stride + token_, 1);
    for (size_t b = 0; b < d / kBlockValues; ++b)
      visit(b * kBlockBytes, cache_.key_scales_offset() + (b * stride + token_) * 2, 2);
  }

 private:
  const PagedCache& cache_;
  size_t token_;
};

}  // namespace

void check_paged_attention(const KernelContext& context) {
  const Tensor& q = context.input(0);
  const Tensor& k = context.input(1);
  const Tensor& state = context.input(3);
  const bool fits = q.rank() == 3 && k.rank() == 3 && k.dims() == context.input(2).dims() &&
                    state.rank() == 5 && state.dim(1) == 2 && state.dim(2) == k.dim(1) &&
                    state.dim(4) == q.dim(2) && k.dim(2) == q.dim(2) && k.dim(0) == q.dim(0) &&
                    k.dim(1) > 0 && q.dim(1) % k.dim(1) == 0 && state.dim(3) > 0;
  if (!fits) {
    refuse(context, fmt::format("q {}, k {} and state {} do not belong together", to_string(q.dims()),
                                to_string(k.dims()), to_string(state.dims())));
  }
}

PagedBatch PagedBatch::read(const KernelContext& context) {
  const auto starts = context.input(4).values<int32_t>();
  const auto lengths = context.input(5).values<int32_t>();
  const Tensor& table = context.input(6);
  const auto pages = table.values<int32_t>();
  const int64_t tokens = context.input(0).dim(0), page_tokens = context.input(3).dim(3),
                page_count = context.input(3).dim(0);
  if (starts.size() != lengths.size() + 1 || table.rank() != 2 ||
      table.dim(0) != static_cast<int64_t>(lengths.size())) {
    refuse(context,
           fmt::format("{} sequence starts, {} context lengths and a page table of {} do not belong together",
                       starts.size(), lengths.size(), to_string(table.dims())));
  }
  PagedBatch batch;
  for (size_t s = 0; s < lengths.size(); ++s) {
    Sequence sequence;
    sequence.first_token = starts[s];
    sequence.new_tokens = int64_t{starts[s + 1]} - starts[s];
    sequence.context = lengths[s];
    sequence.first_position = sequence.context - sequence.new_tokens;
    const int64_t used_pages = (sequence.context + page_tokens - 1) / page_tokens;
    if (sequence.first_token < 0 || sequence.new_tokens < 0 || starts[s + 1] > tokens ||
        sequence.first_position < 0 || used_pages > table.dim(1)) {
      refuse(context,
             fmt::format("sequence {}: tokens {} to {} of {}, context {}, {} pages of {} do not fit together",
                         s, starts[s], starts[s + 1], tokens, lengths[s], table.dim(1), page_tokens));
    }
    sequence.pages = pages.subspan(s * static_cast<size_t>(table.dim(1)), static_cast<size_t>(used_pages));
    for (const int32_t page : sequence.pages) {
      if (page < 0 || page >= page_count)
        refuse(context, fmt::format("page {} of sequence {} is not in [0, {})", page, s, page_count));
    }
    batch.sequences.push_back(sequence);
  }
  return batch;
}

PagedCache::PagedCache(const Tensor& state)
    : dtype(state.dtype()),
      pages(state.dim(0)),
      heads(state.dim(2)),
      page_tokens(state.dim(3)),
      head_size(state.dim(4)),
      row_size_bytes(row_bytes(state.dtype(), state.dim(4))),
      data_(state.data()) {}

void PagedCache::store(const PagedBatch::Sequence& sequence, int64_t position, std::span<const float> k,
                       std::span<const float> v) const {
  const auto d = static_cast<size_t>(head_size);
  const KeyPlaces places(*this, position);
  std::vector<std::byte> row(row_size_bytes);
  for (int64_t head = 0; head < heads; ++head) {
    const size_t at = static_cast<size_t>(head) * d;
    quantize_rows(dtype, v.subspan(at, d), head_size, {value_row(sequence, position, head), row_size_bytes});
    quantize_rows(dtype, k.subspan(at, d), head_size, row);
    places.visit([&](size_t in_row, size_t in_page, size_t size) {
      std::memcpy(keys(sequence, position, head) + in_page, row.data() + in_row, size);
    });
  }
}

void PagedCache::load_key(const PagedBatch::Sequence& sequence, int64_t position, int64_t head,
                          std::span<float> out) const {
  std::vector<std::byte> row(row_size_bytes);
  KeyPlaces(*this, position).visit([&](size_t in_row, size_t in_page, size_t size) {
    std::memcpy(row.data() + in_row, keys(sequence, position, head) + in_page, size);
  });
  decode_blocks(dtype, row, out);
}

void PagedCache::load_value(const PagedBatch::Sequence& sequence, int64_t position, int64_t head,
                            std::span<float> out) const {
  decode_blocks(dtype, {value_row(sequence, position, head), row_size_bytes}, out);
}

}  // namespace oag
