// oag.PagedAttention: stores the new tokens, then softmax(scale · q Kᵀ) V with a running softmax.
//
// Positions are taken in chunks of 256, counted from position 0. A chunk's softmax and sums are computed from
// scratch and merged into the token's; so a token's output depends on its own position and past alone, bit
// for bit, not on the batch, the threads, or how its prompt was cut. Against the reference in double: 2e-6 of
// max|v| per 1,000 positions, on top of the cache's storage, which is the same in both.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/ops/paged_cache.h"

namespace oag::cpu {
namespace {

constexpr int64_t kChunk = kScoreStride;
constexpr size_t kRunsTogether = 8;
// Enough to hide memory's latency, and fits the nearest cache: 8 KB of f16 with heads of 64 values, 16 KB
// with heads of 128.
constexpr int64_t kPagesAhead = 2;
constexpr int64_t kHalves = 256;  // of a key that are converted at a time
constexpr int64_t kQueriesPerTile = 24;
// A sequence with this few new tokens has its chunks computed apart, so that one long decode uses every
// thread.
constexpr int64_t kSplitTokens = 4;

Refusal accept(const KernelQuery& query) {
  const DType storage = query.dtype(3);
  if (storage != DType::kF32 && storage != DType::kF16 && storage != DType::kQ8_0)
    return "state is not f32, f16 or q8_0";
  const Shape* q = query.shape(0);
  if (q != nullptr && q->size() == 3 && q->back().is_constant() && q->back().constant() % 8 != 0) {
    return "head size is no multiple of 8";
  }
  return {};
}

// What one tile computes: some tokens of a sequence, one key head, some chunks.
struct Tile {
  const PagedBatch::Sequence* sequence;
  int64_t token;  // of the sequence's new ones
  int64_t tokens;
  int64_t head;
  int64_t begin, end;    // positions
  int64_t partial = -1;  // where its result goes when another tile has the rest: index of a partial, else -1
};

class Attention {
 public:
  Attention(const KernelContext& context, const MicroKernels& micro)
      : context_(context),
        micro_(micro),
        cache_(context.input(3)),
        batch_(PagedBatch::read(context)),
        query_heads_(context.input(0).dim(1)),
        width_(context.input(0).dim(2)),
        group_(query_heads_ / cache_.heads),
        scale_(context.node().float_attribute("scale", 1.0f / std::sqrt(static_cast<float>(width_)))),
        causal_(context.node().int_attribute("causal", 1) != 0),
        window_(context.node().int_attribute("window", 0)),
        q_(context.input(0).values<float>().data()),
        out_(context.output(0).values<float>().data()) {}

  void run() {
    if (!store_new_tokens()) return;
    plan();
    KernelEnv& env = context_.env();
    scratch_floats_ = query_limit() * (3 * width_ + kChunk + 4);
    scratch_ = floats(scratch_floats_ * env.workers());
    partials_ = floats(partial_count_ * partial_floats());
    const auto tiles = static_cast<int64_t>(tiles_.size());
    const int64_t work = tiles == 0 ? 0 : total_positions_ / tiles * group_ * width_ / 4;
    if (!env.parallel_for(tiles, std::max<int64_t>(1, work), [&](int64_t i, int worker) {
          // Which tile this worker has next is a guess that is most often right.
          const int64_t next = std::min(i + 1, tiles - 1);
          compute(tiles_[static_cast<size_t>(i)], tiles_[static_cast<size_t>(next)],
                  scratch_ + worker * scratch_floats_);
        })) {
      return;
    }
    for (const Tile& tile : tiles_) {
      if (tile.partial >= 0 && tile.begin == first_position(tile)) join(tile);
    }
  }

 private:
  struct Work {  // a worker's scratch
    float *q, *scores;
    float *acc, *total_acc;  // of a chunk, of the tile
    SoftmaxState *states, *totals;
  };

  float* floats(int64_t count) {
    return reinterpret_cast<float*>(context_.env().workspace(static_cast<size_t>(count) * sizeof(float)));
  }
  int64_t tokens_per_tile() const { return std::max<int64_t>(1, kQueriesPerTile / group_); }
  int64_t query_limit() const { return tokens_per_tile() * group_; }
  SoftmaxState* states_behind(float* acc) const {
    return reinterpret_cast<SoftmaxState*>(acc + query_limit() * width_);
  }
  int64_t partial_floats() const { return query_limit() * (width_ + 2); }

  int64_t position_of(const Tile& tile, int64_t token) const {
    return tile.sequence->first_position + tile.token + token;
  }
  int64_t begin_of(int64_t position) const {
    return window_ > 0 ? std::max<int64_t>(0, position + 1 - window_) : 0;
  }
  int64_t end_of(const Tile& tile, int64_t position) const {
    return causal_ ? position + 1 : tile.sequence->context;
  }
  int64_t first_position(const Tile& tile) const { return begin_of(position_of(tile, 0)); }

  // New tokens of one sequence that stand in one page.
  struct PageRun {
    const PagedBatch::Sequence* sequence;
    int64_t token, count;  // of the sequence's new ones
  };

  bool store_new_tokens() {
    std::vector<PageRun> runs;
    for (const PagedBatch::Sequence& sequence : batch_.sequences) {
      for (int64_t i = 0; i < sequence.new_tokens; i += runs.back().count) {
        const int64_t left = cache_.page_tokens - (sequence.first_position + i) % cache_.page_tokens;
        runs.push_back({&sequence, i, std::min(left, sequence.new_tokens - i)});
      }
    }
    const auto count = static_cast<int64_t>(runs.size());
    const int64_t work = cache_.heads * width_ * (cache_.page_tokens < width_ ? cache_.page_tokens : width_);
    return context_.env().parallel_for(count, batch_tokens() < cache_.page_tokens ? work / 32 : work,
                                       [&](int64_t i, int) { store_run(runs[static_cast<size_t>(i)]); });
  }
  int64_t batch_tokens() const { return context_.input(0).dim(0); }

  void store_run(const PageRun& run) const {
    const float* k = context_.input(1).values<float>().data();
    const float* v = context_.input(2).values<float>().data();
    for (int64_t i = run.token; i < run.token + run.count; ++i) {
      const int64_t token = run.sequence->first_token + i, position = run.sequence->first_position + i;
      const auto row = static_cast<size_t>(token * cache_.heads * width_);
      if (cache_.dtype != DType::kF16) {
        const auto width = static_cast<size_t>(cache_.heads * width_);
        cache_.store(*run.sequence, position, {k + row, width}, {v + row, width});
        continue;
      }
      for (int64_t head = 0; head < cache_.heads; ++head) {
        const float* from = k + row + head * width_;
        micro_.f16_from_f32(v + row + head * width_, width_,
                            reinterpret_cast<uint16_t*>(cache_.value_row(*run.sequence, position, head)));
        auto* keys = reinterpret_cast<uint16_t*>(cache_.keys(*run.sequence, position, head)) +
                     position % cache_.page_tokens;
        uint16_t halves[kHalves];
        for (int64_t d = 0; d < width_; d += kHalves) {
          const int64_t some = std::min<int64_t>(kHalves, width_ - d);
          micro_.f16_from_f32(from + d, some, halves);
          for (int64_t at = 0; at < some; ++at) keys[(d + at) * cache_.page_tokens] = halves[at];
        }
      }
    }
  }

  void plan() {
    for (const PagedBatch::Sequence& sequence : batch_.sequences) {
      const bool split = sequence.new_tokens <= kSplitTokens;
      const int64_t step = split ? 1 : tokens_per_tile();
      for (int64_t token = 0; token < sequence.new_tokens; token += step) {
        for (int64_t head = 0; head < cache_.heads; ++head) {
          Tile tile{&sequence, token, std::min(step, sequence.new_tokens - token), head, 0, 0};
          const int64_t begin = first_position(tile), end = end_of(tile, position_of(tile, tile.tokens - 1));
          total_positions_ += tile.tokens * (end - begin);
          const bool parts = split && begin / kChunk != (end - 1) / kChunk;
          for (int64_t at = begin; at < end; at = tile.end) {
            tile.begin = at;
            tile.end = parts ? std::min(end, (at / kChunk + 1) * kChunk) : end;
            tile.partial = parts ? partial_count_++ : -1;
            tiles_.push_back(tile);
          }
        }
      }
    }
  }

  // Attends over the tile's positions chunk by chunk. `next` is what this worker computes then.
  void compute(const Tile& tile, const Tile& next, float* scratch) const {
    const int64_t queries = tile.tokens * group_;
    const Work work = divide(tile, scratch);
    gather_queries(tile, work.q);
    clear(work.totals, work.total_acc, queries);
    for (int64_t begin = tile.begin; begin < tile.end;) {
      if (context_.env().should_stop()) return;
      const int64_t end = std::min(tile.end, (begin / kChunk + 1) * kChunk);
      const Chunk chunk = {&tile, begin, end};
      const Chunk after = end < tile.end ? Chunk{&tile, end, tile.end} : Chunk{&next, next.begin, next.end};
      clear(work.states, work.acc, queries);
      score(chunk, after, work);
      sum_values(chunk, after, work);
      for (int64_t q = 0; q < queries; ++q) {
        micro_.softmax_merge(&work.totals[q], work.total_acc + q * width_, &work.states[q],
                             work.acc + q * width_, width_);
      }
      begin = end;
    }
    if (tile.partial >= 0) return;
    for (int64_t q = 0; q < queries; ++q) write_out(tile, q, work.totals[q], work.total_acc + q * width_);
  }

  // Merges the partials of a split token, in the order of their positions.
  void join(const Tile& first) {
    float* acc = partials_ + first.partial * partial_floats();
    auto* states = states_behind(acc);
    const int64_t parts = (end_of(first, position_of(first, 0)) - 1) / kChunk - first.begin / kChunk;
    for (int64_t part = 1; part <= parts; ++part) {
      const float* other = acc + part * partial_floats();
      const SoftmaxState* other_states = states_behind(acc + part * partial_floats());
      for (int64_t q = 0; q < group_; ++q) {
        micro_.softmax_merge(&states[q], acc + q * width_, &other_states[q], other + q * width_, width_);
      }
    }
    for (int64_t q = 0; q < group_; ++q) write_out(first, q, states[q], acc + q * width_);
  }

  // Calls visit(position, count) for the parts of [begin, end) that lie in one page each.
  template <typename Visit>
  void for_pages(int64_t begin, int64_t end, Visit visit) const {
    for (int64_t at = begin; at < end;) {
      const int64_t next = std::min(end, (at / cache_.page_tokens + 1) * cache_.page_tokens);
      visit(at, next - at);
      at = next;
    }
  }

  // Positions of one chunk, and of a tile's rest.
  struct Chunk {
    const Tile* tile;
    int64_t begin, end;
  };
  int64_t pages_of(const Chunk& chunk) const {
    return (chunk.end - 1) / cache_.page_tokens - chunk.begin / cache_.page_tokens + 1;
  }
  const std::byte* keys_of_page(const Chunk& chunk, int64_t page) const {
    const int64_t position = (chunk.begin / cache_.page_tokens + page) * cache_.page_tokens;
    return cache_.keys(*chunk.tile->sequence, position, chunk.tile->head);
  }
  // A chunk reads its pages' keys, then their values, then what comes after it its keys: part `index` of
  // this. Pages lie apart, where no hardware looks ahead.
  const std::byte* part(const Chunk& chunk, const Chunk& after, int64_t index) const {
    const int64_t pages = pages_of(chunk);
    if (index < pages) return keys_of_page(chunk, index);
    if (index < 2 * pages) {
      const int64_t page = chunk.begin / cache_.page_tokens + index - pages;
      return cache_.value_row(*chunk.tile->sequence, page * cache_.page_tokens, chunk.tile->head);
    }
    return keys_of_page(after, std::min(index - 2 * pages, pages_of(after) - 1));
  }

  // The scores of a chunk, then, as weights, their softmax.
  void score(const Chunk& chunk, const Chunk& after, const Work& work) const {
    const auto key_scores = cache_.dtype == DType::kF32   ? micro_.key_scores_f32
                            : cache_.dtype == DType::kF16 ? micro_.key_scores_f16
                                                          : micro_.key_scores_q8_0;
    const auto value_bytes = static_cast<int64_t>(cache_.dtype == DType::kF32   ? sizeof(float)
                                                  : cache_.dtype == DType::kF16 ? sizeof(uint16_t)
                                                                                : sizeof(int8_t));
    const Tile& tile = *chunk.tile;
    std::array<KeyRun, kRunsTogether> runs;
    size_t run_count = 0;
    const auto flush = [&] {
      key_scores(runs.data(), static_cast<int64_t>(run_count), cache_.page_tokens, work.q,
                 tile.tokens * group_, width_, work.scores);
      run_count = 0;
    };
    int64_t page = 0;
    for_pages(chunk.begin, chunk.end, [&](int64_t at, int64_t count) {
      const std::byte* keys = keys_of_page(chunk, page);
      const std::byte* ahead = part(chunk, after, page++ + kPagesAhead);
      for (int64_t i = 0; i < count; i += micro_.lanes) {
        const int64_t token = at % cache_.page_tokens + i;
        runs[run_count++] = {keys + token * value_bytes,
                             reinterpret_cast<const uint16_t*>(keys + cache_.key_scales_offset()) + token,
                             ahead + token * value_bytes, at + i - chunk.begin,
                             std::min<int64_t>(micro_.lanes, count - i)};
        if (run_count == runs.size()) flush();
      }
    });
    flush();
    for (int64_t token = 0; token < tile.tokens; ++token) {
      const auto [low, high] = seen(chunk, token);
      for (int64_t q = token * group_; low < high && q < (token + 1) * group_; ++q) {
        micro_.softmax_step(work.scores + q * kScoreStride + low - chunk.begin, high - low, &work.states[q],
                            work.acc + q * width_, width_);
      }
    }
  }
  // Which of a chunk's positions a token attends to.
  std::pair<int64_t, int64_t> seen(const Chunk& chunk, int64_t token) const {
    const int64_t position = position_of(*chunk.tile, token);
    return {std::max(chunk.begin, begin_of(position)), std::min(chunk.end, end_of(*chunk.tile, position))};
  }

  void sum_values(const Chunk& chunk, const Chunk& after, const Work& work) const {
    const auto weighted_sum = cache_.dtype == DType::kF32   ? micro_.weighted_sum_f32
                              : cache_.dtype == DType::kF16 ? micro_.weighted_sum_f16
                                                            : micro_.weighted_sum_q8_0;
    const Tile& tile = *chunk.tile;
    const auto row_bytes = static_cast<int64_t>(cache_.row_size_bytes);
    int64_t index = pages_of(chunk);
    for_pages(chunk.begin, chunk.end, [&](int64_t at, int64_t count) {
      const std::byte* ahead = part(chunk, after, index++ + kPagesAhead);
      const auto add = [&](int64_t low, int64_t high, int64_t token, int64_t tokens) {
        if (low >= high) return;
        const int64_t q = token * group_;
        weighted_sum({cache_.value_row(*tile.sequence, low, tile.head), row_bytes}, ahead, high - low,
                     work.scores + q * kScoreStride + low - chunk.begin, kScoreStride, tokens * group_,
                     width_, work.acc + q * width_);
      };
      const auto [low, high] = std::pair(seen(chunk, tile.tokens - 1).first, seen(chunk, 0).second);
      if (low <= at && at + count <= high) return add(at, at + count, 0, tile.tokens);
      for (int64_t token = 0; token < tile.tokens; ++token) {
        const auto [first, end] = seen(chunk, token);
        add(std::max(at, first), std::min(at + count, end), token, 1);
      }
    });
  }

  Work divide(const Tile& tile, float* scratch) const {
    const int64_t queries = query_limit();
    Work work;
    work.q = scratch;
    work.scores = work.q + queries * width_;
    work.acc = work.scores + queries * kScoreStride;
    work.states = states_behind(work.acc);
    work.total_acc = tile.partial >= 0 ? partials_ + tile.partial * partial_floats()
                                       : reinterpret_cast<float*>(work.states + queries);
    work.totals = states_behind(work.total_acc);
    return work;
  }
  void clear(SoftmaxState* states, float* acc, int64_t queries) const {
    std::fill_n(states, queries, SoftmaxState{-std::numeric_limits<float>::infinity(), 0.0f});
    std::fill_n(acc, queries * width_, 0.0f);
  }

  int64_t query_at(const Tile& tile, int64_t q) const {
    const int64_t token = tile.sequence->first_token + tile.token + q / group_;
    return (token * query_heads_ + tile.head * group_ + q % group_) * width_;
  }
  void gather_queries(const Tile& tile, float* q) const {
    for (int64_t i = 0; i < tile.tokens * group_; ++i) {
      micro_.binary[static_cast<int>(BinaryOp::kMul)](q_ + query_at(tile, i), false, &scale_, true, width_,
                                                      q + i * width_);
    }
  }
  void write_out(const Tile& tile, int64_t q, const SoftmaxState& state, const float* acc) const {
    micro_.binary[static_cast<int>(BinaryOp::kDiv)](acc, false, &state.total, true, width_,
                                                    out_ + query_at(tile, q));
  }

  const KernelContext& context_;
  const MicroKernels& micro_;
  const PagedCache cache_;
  const PagedBatch batch_;
  const int64_t query_heads_, width_, group_;
  const float scale_;
  const bool causal_;
  const int64_t window_;
  const float* q_;
  float* out_;
  std::vector<Tile> tiles_;
  int64_t partial_count_ = 0, total_positions_ = 0, scratch_floats_ = 0;
  float* scratch_ = nullptr;
  float* partials_ = nullptr;
};

void check(const KernelContext& context) {
  check_paged_attention(context);
  if (const int64_t head_size = context.input(0).dim(2); head_size % 8 != 0)
    context.refuse("head size {} is no multiple of 8", head_size);
}

void run(const KernelContext& context, const MicroKernels& micro) {
  check(context);
  context.allocate_output(0, DType::kF32, context.input(0).dims());
  Attention(context, micro).run();
}

}  // namespace

extern constinit const KernelImpl kPagedAttention = {"oag", "PagedAttention", "paged_attention", accept,
                                                     make_kernel<run>};

}  // namespace oag::cpu
