// oag.RankedLinear: the head of a language model. y = x · wᵀ + b as linear.block and linear.float compute it,
// bit for bit; of ranked rows the products live in scratch memory only until the best of them are known.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/backends/cpu/head_product.h"
#include "engine/ops/ranking.h"

namespace oag::cpu {
namespace {

// Smaller matrices are in a cache anyway.
constexpr int64_t kLeastSplitRows = 4096;

enum Input : size_t { kX, kW, kBias, kRanked, kWanted, kMargins };
enum Output : size_t { kY, kValues, kIds };

Refusal accept(const KernelQuery& query) {
  if (query.dtype(kX) != DType::kF32 || query.dtype(kRanked) != DType::kF32) return "x is not f32";
  const DType w = query.dtype(kW);
  if (w != DType::kF32 && w != DType::kF16 && w != DType::kBF16 && !is_block_format(w))
    return "w is not f32, f16, bf16 or a block format";
  return {};
}

// The best so far of each ranked row, for each worker: who finds them does not change which they are.
class WorkerRankings {
 public:
  WorkerRankings(int workers, std::span<const int32_t> wanted, int64_t most) : rows_(wanted.size()) {
    const auto room = [&](size_t row) {
      return static_cast<size_t>(std::clamp<int64_t>(wanted[row], 0, most));
    };
    size_t total = 0;
    for (size_t row = 0; row < rows_; ++row) total += room(row);
    memory_.resize(total * static_cast<size_t>(workers + 1));
    size_t at = 0;
    for (int worker = 0; worker <= workers; ++worker) {
      for (size_t row = 0; row < rows_; at += room(row++))
        rankings_.emplace_back(std::span(memory_).subspan(at, room(row)));
    }
  }

  Ranking& of(int worker, size_t row) { return rankings_[static_cast<size_t>(worker) * rows_ + row]; }
  // All workers' best of a row. Called once.
  Ranking& merged(size_t row) {
    Ranking& all = rankings_[rankings_.size() - rows_ + row];
    for (size_t i = row; i + rows_ < rankings_.size(); i += rows_) {
      for (const Ranked& ranked : rankings_[i].kept()) all.offer(ranked);
    }
    return all;
  }

 private:
  size_t rows_;
  std::vector<Ranked> memory_;
  std::vector<Ranking> rankings_;
};

class RankedLinear final : public Kernel {
 public:
  RankedLinear(const KernelQuery& query, const MicroKernels& micro)
      : micro_(micro),
        most_(query.node.int_attribute("most")),
        limit_(query.node.int_attribute("limit", std::numeric_limits<int64_t>::max())) {
    const Tensor* stored = query.constant(kW);
    if (stored == nullptr || !is_block_format(stored->dtype())) return;
    stored_ = *stored;
    const bool has_bias = query.node.inputs[kBias] != kNoValue;
    splits_ = stored->dtype() == DType::kQ8_0 && !has_bias && stored->dim(0) >= kLeastSplitRows;
  }

  size_t packed_bytes() const override {
    if (!stored_.defined()) return 0;
    return splits_ ? SplitWeights::size_bytes(micro_, stored_) : PackedWeights::size_bytes(micro_, stored_);
  }

  void prepare(KernelEnv& env, std::span<std::byte> packed) override {
    if (splits_) {
      split_.emplace(micro_, stored_, env, packed);
    } else if (stored_.defined()) {
      packed_.emplace(micro_, stored_, env, packed);
    }
  }

  void run(KernelContext& context) const override {
    KernelEnv& env = context.env();
    const Tensor& w = context.input(kW);
    const int64_t outputs = w.dim(0);
    context.allocate_output(kY, DType::kF32, {context.input(kX).dim(0), outputs});
    context.allocate_output(kValues, DType::kF32, {context.input(kRanked).dim(0), most_});
    context.allocate_output(kIds, DType::kI32, {context.input(kRanked).dim(0), most_});
    const float* bias = context.has_input(kBias) ? context.input(kBias).values<float>().data() : nullptr;
    if (!is_block_format(w.dtype())) return compute(context, HeadProduct(micro_, w, bias));
    if (split_) return compute(context, HeadProduct(micro_, *split_));
    if (packed_) return compute(context, HeadProduct(micro_, *packed_, bias));
    const size_t bytes = PackedWeights::size_bytes(micro_, w);
    const PackedWeights packed(micro_, w, env, std::span(env.workspace(bytes), bytes));
    if (!env.should_stop()) compute(context, HeadProduct(micro_, packed, bias));
  }

 private:
  void compute(KernelContext& context, const HeadProduct& product) const {
    if (multiply(context, product)) rank(context, product);
  }

  // False when the run was stopped.
  bool multiply(const KernelContext& context, const HeadProduct& product) const {
    const HeadRows x(product, context.env(), context.input(kX));
    float* y = context.output(kY).values<float>().data();
    return context.env().parallel_for(x.tiles() * product.chunks(), x.ns_per_tile(), [&](int64_t i, int) {
      const int64_t chunk = i / x.tiles(), tile = i % x.tiles();
      product.dot(chunk, x.tile(tile), y + x.tile(tile).first * product.rows() + product.first_row(chunk),
                  product.rows());
    });
  }

  void rank(const KernelContext& context, const HeadProduct& product) const {
    KernelEnv& env = context.env();
    const HeadRows x(product, env, context.input(kRanked));
    if (x.tiles() == 0) return;
    if (product.split() != nullptr) return rank_by_estimates(context, product, x);
    WorkerRankings rankings(env.workers(), context.input(kWanted).values<int32_t>(), most_);
    constexpr int64_t kChunkValues = HeadProduct::kChunkRows * HeadProduct::kMostTokens;
    auto* scratch = reinterpret_cast<float*>(
        env.workspace(sizeof(float) * static_cast<size_t>(env.workers() * kChunkValues)));
    const bool finished =
        env.parallel_for(x.tiles() * product.chunks(), x.ns_per_tile(), [&](int64_t i, int worker) {
          const int64_t chunk = i / x.tiles(), first = product.first_row(chunk);
          const HeadRows::Tile tile = x.tile(i % x.tiles());
          const int64_t count = std::min(product.chunk_rows(chunk), limit_ - first);
          if (count <= 0) return;
          float* values = scratch + worker * kChunkValues;
          product.dot(chunk, tile, values, HeadProduct::kChunkRows);
          for (int t = 0; t < tile.count; ++t) {
            rankings.of(worker, static_cast<size_t>(tile.first + t))
                .offer(std::span(values + t * HeadProduct::kChunkRows, static_cast<size_t>(count)),
                       static_cast<int32_t>(first));
          }
        });
    if (finished) write(context, rankings);
  }

  // First estimates of every row from half of the bits, then the rows that these cannot rule out, exactly.
  void rank_by_estimates(const KernelContext& context, const HeadProduct& product, const HeadRows& x) const {
    WorkerRankings rankings(context.env().workers(), context.input(kWanted).values<int32_t>(), most_);
    const auto padded_rows =
        static_cast<size_t>(product.split()->panels() * static_cast<int64_t>(micro_.lanes));
    const auto tokens = static_cast<size_t>(x.tile(0).count + 1);  // tiles differ by one at most
    const std::span<float> room(
        reinterpret_cast<float*>(context.env().workspace(sizeof(float) * padded_rows * tokens)),
        padded_rows * tokens);
    for (int64_t i = 0; i < x.tiles(); ++i) {
      Estimates estimates{context, product, x.tile(i), x.ns_per_tile(), room, padded_rows, {}, {}};
      if (!estimate(estimates) || !rescore(estimates, rankings)) return;
    }
    write(context, rankings);
  }

  // Of one tile of ranked rows.
  struct Estimates {
    const KernelContext& context;
    const HeadProduct& product;
    HeadRows::Tile x;
    int64_t ns_per_tile;
    std::span<float> values;  // [tokens, stride]
    size_t stride;
    std::vector<float> norms, least;  // of each token: its 2-norm, what a row must be able to reach
    const uint8_t* data() const { return static_cast<const uint8_t*>(x.data); }
    std::span<float> of(int t) const { return values.subspan(stride * static_cast<size_t>(t), stride); }
  };

  int64_t panels_in(const HeadProduct& product, int64_t chunk) const {
    return (product.chunk_rows(chunk) + micro_.lanes - 1) / micro_.lanes;
  }

  bool estimate(Estimates& e) const {
    KernelEnv& env = e.context.env();
    const auto wanted = e.context.input(kWanted).values<int32_t>();
    const auto margins = e.context.input(kMargins).values<float>();
    // The exact values of the rows that look best bound what the best can be. Within a margin the first is
    // enough.
    std::vector<int32_t> anchors;
    for (int t = 0; t < e.x.count; ++t) {
      const auto row = static_cast<size_t>(e.x.first + t);
      anchors.push_back(std::isfinite(margins[row]) ? std::min(wanted[row], 1) : wanted[row]);
    }
    WorkerRankings best(env.workers(), anchors, most_);
    const SplitWeights& w = *e.product.split();
    const auto lanes = static_cast<size_t>(micro_.lanes);
    if (!env.parallel_for(e.product.chunks(), e.ns_per_tile, [&](int64_t chunk, int worker) {
          const int64_t first = e.product.first_row(chunk), panel = first / micro_.lanes;
          float values[HeadProduct::kMostTokens * HeadProduct::kMostLanes];
          for (int64_t p = panel; p < panel + panels_in(e.product, chunk); ++p) {
            w.estimate(p, e.data(), e.x.count, values);
            for (int t = 0; t < e.x.count; ++t)
              std::copy_n(values + static_cast<size_t>(t) * lanes, lanes,
                          e.of(t).begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(p) * lanes));
          }
          const int64_t count = std::min(e.product.chunk_rows(chunk), limit_ - first);
          for (int t = 0; t < e.x.count && count > 0; ++t) {
            best.of(worker, static_cast<size_t>(t))
                .offer(e.of(t).subspan(static_cast<size_t>(first), static_cast<size_t>(count)),
                       static_cast<int32_t>(first));
          }
        })) {
      return false;
    }
    for (int t = 0; t < e.x.count; ++t) {
      const auto row = static_cast<size_t>(e.x.first + t);
      e.norms.push_back(activation_norm(e.data(), e.x.count, t, e.product.inputs()));
      e.least.push_back(least_of(
          e, t, best.merged(static_cast<size_t>(t)).kept(),
          static_cast<size_t>(std::clamp<int64_t>(anchors[static_cast<size_t>(t)], 0, most_)), margins[row]));
    }
    return true;
  }

  // What at least `count` rows reach, less the margin.
  float least_of(const Estimates& e, int t, std::span<const Ranked> anchors, size_t count,
                 float margin) const {
    if (count == 0) return std::numeric_limits<float>::infinity();  // nothing is wanted
    if (anchors.size() < count) return std::numeric_limits<float>::lowest();
    float least = std::numeric_limits<float>::infinity();
    float values[HeadProduct::kMostTokens * HeadProduct::kMostLanes];
    for (const Ranked& anchor : anchors) {
      e.product.split()->dot(anchor.id / micro_.lanes, e.data(), e.x.count, values);
      const float value = values[t * micro_.lanes + anchor.id % micro_.lanes];
      if (!(value >= std::numeric_limits<float>::lowest())) return std::numeric_limits<float>::lowest();
      least = std::min(least, value);
    }
    if (!std::isfinite(margin)) return least;
    return std::nextafter(least - margin, std::numeric_limits<float>::lowest());
  }

  // False when the run was stopped.
  bool rescore(const Estimates& e, WorkerRankings& rankings) const {
    const SplitWeights& w = *e.product.split();
    const auto lanes = static_cast<size_t>(micro_.lanes);
    return e.context.env().parallel_for(e.product.chunks(), 2'000, [&](int64_t chunk, int worker) {
      const int64_t panel = e.product.first_row(chunk) / micro_.lanes;
      float values[HeadProduct::kMostTokens * HeadProduct::kMostLanes];
      for (int64_t p = panel; p < panel + panels_in(e.product, chunk); ++p) {
        const int64_t first = p * micro_.lanes, count = std::min({w.rows(), limit_}) - first;
        if (count <= 0) break;
        if (!may_matter(e, static_cast<size_t>(first))) continue;
        w.dot(p, e.data(), e.x.count, values);
        for (int t = 0; t < e.x.count; ++t) {
          rankings.of(worker, static_cast<size_t>(e.x.first + t))
              .offer(std::span<const float>(values).subspan(static_cast<size_t>(t) * lanes,
                                                            std::min(lanes, static_cast<size_t>(count))),
                     static_cast<int32_t>(first));
        }
      }
    });
  }

  // Whether a row of the panel that begins at `first` may be among the wanted of some token. NaN may.
  bool may_matter(const Estimates& e, size_t first) const {
    const auto lanes = static_cast<size_t>(micro_.lanes);
    const float* errors = e.product.split()->errors().data() + first;
    int hits = 0;
    for (int t = 0; t < e.x.count; ++t) {
      const float* values = e.of(t).data() + first;
      const float norm = e.norms[static_cast<size_t>(t)], least = e.least[static_cast<size_t>(t)];
      for (size_t i = 0; i < lanes; ++i) hits |= static_cast<int>(!(values[i] + errors[i] * norm < least));
    }
    return hits != 0;
  }

  void write(const KernelContext& context, WorkerRankings& rankings) const {
    const auto most = static_cast<size_t>(most_);
    const auto margins = context.input(kMargins).values<float>();
    for (size_t row = 0; row < margins.size(); ++row) {
      write_ranking(rankings.merged(row).sorted(margins[row]),
                    context.output(kValues).values<float>().subspan(row * most, most),
                    context.output(kIds).values<int32_t>().subspan(row * most, most));
    }
  }

  const MicroKernels& micro_;
  int64_t most_, limit_;
  Tensor stored_;  // a constant of a block format
  bool splits_ = false;
  std::optional<PackedWeights> packed_;
  std::optional<SplitWeights> split_;
};

std::unique_ptr<Kernel> make(const KernelQuery& query, const void* device_state) {
  return std::make_unique<RankedLinear>(query, *static_cast<const MicroKernels*>(device_state));
}

}  // namespace

extern constinit const KernelImpl kRankedLinear = {"oag", "RankedLinear", "ranked_linear", accept, make};

}  // namespace oag::cpu
