// Attention of f32, streamed: tiles of queries meet blocks of keys, with a running softmax, so that no row of
// scores is ever whole. Keys and values of a few heads are packed into panels once. A query's result depends
// on its keys alone: blocks begin at multiples of kBlock. Against double: 3e-6 of the largest value, where no
// score is beyond 10 or so.
#include <algorithm>
#include <limits>
#include <vector>

#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/ops/attention_sizes.h"

namespace oag::cpu {
namespace {

constexpr int64_t kTile = 96;    // queries: a multiple of the rows that panel_product takes at a time
constexpr int64_t kBlock = 256;  // keys: their scores stay in the second-level cache

Refusal accept(const KernelQuery& query) {
  const Node& node = query.node;
  for (size_t i = 0; i < 3; ++i) {
    if (query.dtype(i) != DType::kF32) return "q, k or v is not f32";
  }
  const DType mask = query.dtype(static_cast<size_t>(AttentionInput::kMask));
  if (mask != DType::kUndefined && mask != DType::kBool && mask != DType::kF32)
    return "the mask is neither bool nor f32";
  for (const AttentionInput input :
       {AttentionInput::kPastKey, AttentionInput::kPastValue, AttentionInput::kValidKeys}) {
    if (query.dtype(static_cast<size_t>(input)) != DType::kUndefined)
      return "a past or nonpad_kv_seqlen is given";
  }
  for (size_t i = 1; i < node.outputs.size(); ++i) {
    if (node.outputs[i] != kNoValue) return "the past or the scores are wanted";
  }
  if (node.float_attribute("softcap", 0.0f) > 0) return "it has a softcap";
  if (node.int_attribute("left_window_size", -1) >= 0 || node.int_attribute("right_window_size", -1) >= 0)
    return "it has a window";
  if (node.int_attribute("softmax_precision", 1) != 1) return "softmax_precision is not f32";
  return {};
}

int64_t divide_up(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

// Keys and values of some heads as panel_product reads them.
class PackedHeads {
 public:
  PackedHeads(const AttentionSizes& sizes, int64_t heads, KernelEnv& env)
      : sizes_(sizes),
        key_values_(divide_up(sizes.keys, kPanelColumns) * kPanelColumns * sizes.size),
        value_values_(divide_up(sizes.value_size, kPanelColumns) * kPanelColumns * sizes.keys),
        memory_(reinterpret_cast<float*>(
            env.workspace(static_cast<size_t>(heads * (key_values_ + value_values_)) * sizeof(float)))) {}

  // The keys of a block, panels of kPanelColumns of them; its values, panels of kPanelColumns columns.
  float* keys(int64_t head, int64_t block) const {
    return memory_ + head * (key_values_ + value_values_) + block * kBlock * sizes_.size;
  }
  float* values(int64_t head, int64_t block) const {
    const int64_t columns = divide_up(sizes_.value_size, kPanelColumns) * kPanelColumns;
    return memory_ + head * (key_values_ + value_values_) + key_values_ + block * kBlock * columns;
  }

  // `k` and `v` are a head's rows.
  void pack(const MicroKernels& micro, int64_t head, int64_t block, const float* k, int64_t k_step,
            const float* v, int64_t v_step) const {
    const int64_t first = block * kBlock, count = std::min(kBlock, sizes_.keys - first);
    float* to = keys(head, block);
    for (int64_t key = 0; key < count; key += kPanelColumns, to += kPanelColumns * sizes_.size) {
      micro.pack_columns_f32({k + (first + key) * k_step, k_step * static_cast<int64_t>(sizeof(float))},
                             std::min(kPanelColumns, count - key), 0, sizes_.size, to);
    }
    to = values(head, block);
    for (int64_t c = 0; c < sizes_.value_size; c += kPanelColumns) {
      const int64_t columns = std::min(kPanelColumns, sizes_.value_size - c);
      for (int64_t key = 0; key < count; ++key, to += kPanelColumns) {
        std::copy_n(v + (first + key) * v_step + c, columns, to);
        std::fill(to + columns, to + kPanelColumns, 0.0f);
      }
    }
  }

 private:
  const AttentionSizes& sizes_;
  int64_t key_values_, value_values_;  // of a head
  float* memory_;
};

// What one thread works with: a tile of scaled queries, its scores with a block, and its sums.
struct Workplace {
  Workplace(const AttentionSizes& sizes, std::byte* memory)
      : q(reinterpret_cast<float*>(memory)),
        scores(q + kTile * sizes.size),
        sums(scores + kTile * kBlock),
        states(reinterpret_cast<SoftmaxState*>(sums + kTile * sizes.value_size)) {}
  static size_t bytes(const AttentionSizes& sizes) {
    const auto floats = static_cast<size_t>(kTile * (sizes.size + kBlock + sizes.value_size));
    return (floats * sizeof(float) + kTile * sizeof(SoftmaxState) + 63) / 64 * 64;
  }
  float* q;
  float* scores;
  float* sums;
  SoftmaxState* states;
};

class StreamedAttention {
 public:
  StreamedAttention(const KernelContext& context, const MicroKernels& micro)
      : context_(context),
        micro_(micro),
        sizes_(context),
        mask_(context, sizes_),
        tiles_(divide_up(sizes_.queries, kTile)),
        blocks_(divide_up(sizes_.keys, kBlock)) {}

  void run() {
    float* y = context_.allocate_output(0, DType::kF32, sizes_.y_dims()).values<float>().data();
    if (context_.output(0).count() == 0) return;
    KernelEnv& env = context_.env();
    // Key heads at a time: enough tiles for all threads, and no more memory than that takes.
    const int64_t all = sizes_.batch * sizes_.key_heads, shared = sizes_.heads / sizes_.key_heads;
    const int64_t group = std::clamp<int64_t>(divide_up(8 * env.workers(), tiles_ * shared), 1, all);
    const PackedHeads packed(sizes_, group, env);
    const size_t workplace_bytes = Workplace::bytes(sizes_);
    std::byte* workplaces = env.workspace(workplace_bytes * static_cast<size_t>(env.workers()));
    const int64_t tile_ns = std::max<int64_t>(
        1, std::min(kTile, sizes_.queries) * sizes_.keys * (sizes_.size + sizes_.value_size) / 64);
    for (int64_t first = 0; first < all; first += group) {
      const int64_t count = std::min(group, all - first);
      bool done = env.parallel_for(count * blocks_, kBlock * (sizes_.size + sizes_.value_size) / 4,
                                   [&](int64_t i, int) { pack(packed, i / blocks_, first, i % blocks_); });
      if (!done) return;
      done = env.parallel_for(count * shared * tiles_, tile_ns, [&](int64_t i, int worker) {
        const Workplace place(sizes_, workplaces + static_cast<size_t>(worker) * workplace_bytes);
        const int64_t key_head = i / (shared * tiles_), all_head = first + key_head;
        const int64_t b = all_head / sizes_.key_heads,
                      head = all_head % sizes_.key_heads * shared + i / tiles_ % shared;
        attend(packed, key_head, b, head, i % tiles_ * kTile, place, y);
      });
      if (!done) return;
    }
  }

 private:
  const float* input(AttentionInput which) const {
    return context_.input(static_cast<size_t>(which)).values<float>().data();
  }

  void pack(const PackedHeads& packed, int64_t head, int64_t first_head, int64_t block) const {
    const int64_t b = (first_head + head) / sizes_.key_heads,
                  key_head = (first_head + head) % sizes_.key_heads;
    const AttentionSizes::Rows k = sizes_.k_rows(b, key_head), v = sizes_.v_rows(b, key_head);
    packed.pack(micro_, head, block, input(AttentionInput::kK) + k.first, k.step,
                input(AttentionInput::kV) + v.first, v.step);
  }

  // A tile of queries with all keys that it sees.
  void attend(const PackedHeads& packed, int64_t packed_head, int64_t b, int64_t head, int64_t first,
              const Workplace& place, float* y) const {
    const int64_t rows = std::min(kTile, sizes_.queries - first);
    const AttentionSizes::Rows q = sizes_.q_rows(b, head);
    for (int64_t r = 0; r < rows; ++r) {
      micro_.binary[static_cast<int>(BinaryOp::kMul)](
          input(AttentionInput::kQ) + q.first + (first + r) * q.step, false, &sizes_.scale, true, sizes_.size,
          place.q + r * sizes_.size);
      place.states[r] = {-std::numeric_limits<float>::infinity(), 0.0f};
    }
    std::fill_n(place.sums, rows * sizes_.value_size, 0.0f);
    const int64_t seen = sizes_.causal ? std::min(sizes_.keys, first + rows) : sizes_.keys;
    for (int64_t block = 0; block * kBlock < seen; ++block) {
      if (context_.env().should_stop()) return;
      take_block(packed, packed_head, b, head, first, rows, block, place);
    }
    write(b, head, first, rows, place, y);
  }

  void take_block(const PackedHeads& packed, int64_t packed_head, int64_t b, int64_t head, int64_t first,
                  int64_t rows, int64_t block, const Workplace& place) const {
    const int64_t key = block * kBlock, count = std::min(kBlock, sizes_.keys - key);
    const float* keys = packed.keys(packed_head, block);
    for (int64_t c = 0; c < count; c += kPanelColumns) {
      micro_.panel_product(place.q, sizes_.size, rows, keys + c * sizes_.size, sizes_.size, false,
                           place.scores + c, kBlock, std::min(kPanelColumns, count - c));
    }
    for (int64_t r = 0; r < rows; ++r) {
      float* scores = place.scores + r * kBlock;
      const int64_t seen = sizes_.causal ? std::clamp<int64_t>(first + r + 1 - key, 0, count) : count;
      const int64_t shown = mask(b, head, first + r, key, seen, scores);
      if (shown > 0)
        micro_.softmax_step(scores, shown, &place.states[r], place.sums + r * sizes_.value_size,
                            sizes_.value_size);
      std::fill(scores + shown, scores + count, 0.0f);
    }
    const float* values = packed.values(packed_head, block);
    for (int64_t c = 0; c < sizes_.value_size; c += kPanelColumns) {
      micro_.panel_product(place.scores, kBlock, rows, values + c * count, count, true, place.sums + c,
                           sizes_.value_size, std::min(kPanelColumns, sizes_.value_size - c));
    }
  }

  // Adds the mask to `count` scores from `key` on; how many of them lead up to the last that is not
  // -infinity.
  int64_t mask(int64_t b, int64_t head, int64_t query, int64_t key, int64_t count, float* scores) const {
    if (!mask_.given()) return count;
    constexpr float kMasked = -std::numeric_limits<float>::infinity();
    const Tensor& mask = context_.input(static_cast<size_t>(AttentionInput::kMask));
    const int64_t row = mask_.row(b, head, query) + key, width = mask_.width() - key;
    const int64_t given = std::clamp<int64_t>(width, 0, count);
    if (mask.dtype() == DType::kBool) {
      const std::byte* shown = mask.data() + row;
      for (int64_t i = 0; i < given; ++i) scores[i] = shown[i] == std::byte{0} ? kMasked : scores[i];
    } else {
      const float* added = mask.values<float>().data() + row;
      for (int64_t i = 0; i < given; ++i) scores[i] = added[i] == kMasked ? kMasked : scores[i] + added[i];
    }
    int64_t last = given;
    while (last > 0 && scores[last - 1] == kMasked) --last;
    return last;
  }

  void write(int64_t b, int64_t head, int64_t first, int64_t rows, const Workplace& place, float* y) const {
    const AttentionSizes::Rows to = sizes_.y_rows(b, head);
    for (int64_t r = 0; r < rows; ++r) {
      const float total = place.states[r].total;
      const float inverse = total == 0.0f ? 0.0f : 1.0f / total;  // a query that sees no key gives zeros
      micro_.binary[static_cast<int>(BinaryOp::kMul)](place.sums + r * sizes_.value_size, false, &inverse,
                                                      true, sizes_.value_size,
                                                      y + to.first + (first + r) * to.step);
    }
  }

  const KernelContext& context_;
  const MicroKernels& micro_;
  AttentionSizes sizes_;
  AttentionMask mask_;
  int64_t tiles_, blocks_;
};

void run(const KernelContext& context, const MicroKernels& micro) {
  StreamedAttention(context, micro).run();
}

}  // namespace

extern constinit const KernelImpl kAttention = {"", "Attention", "attention", accept, make_kernel<run>};

}  // namespace oag::cpu
