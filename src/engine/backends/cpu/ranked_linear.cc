// oag.RankedLinear: the head of a language model. y = x · wᵀ + b as linear.block and linear.float compute it,
// bit for bit; of ranked rows the products live in scratch memory only until the best of them are known.
#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/backends/cpu/head_product.h"
#include "engine/ops/ranking.h"

namespace oag::cpu {
namespace {

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
    if (stored != nullptr && is_block_format(stored->dtype())) stored_ = *stored;
  }

  size_t packed_bytes() const override {
    return stored_.defined() ? PackedWeights::size_bytes(micro_, stored_) : 0;
  }

  void prepare(KernelEnv& env, std::span<std::byte> packed) override {
    if (stored_.defined()) packed_.emplace(micro_, stored_, env, packed);
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
    const ActivationTiles x = product.tiles_of(context.input(kX), context.env());
    float* y = context.output(kY).values<float>().data();
    return context.env().parallel_for(
        x.count() * product.chunks(), product.ns_per_tile(x), [&](int64_t i, int) {
          const int64_t chunk = i / x.count();
          const ActivationTiles::Tile tile = x[i % x.count()];
          product.dot(chunk, tile, y + tile.first * product.rows() + product.first_row(chunk),
                      product.rows());
        });
  }

  void rank(const KernelContext& context, const HeadProduct& product) const {
    KernelEnv& env = context.env();
    const ActivationTiles x = product.tiles_of(context.input(kRanked), env);
    if (x.count() == 0) return;
    WorkerRankings rankings(env.workers(), context.input(kWanted).values<int32_t>(), most_);
    constexpr int64_t kChunkValues = HeadProduct::kChunkRows * HeadProduct::kMostTokens;
    auto* scratch = reinterpret_cast<float*>(
        env.workspace(sizeof(float) * static_cast<size_t>(env.workers() * kChunkValues)));
    const bool finished =
        env.parallel_for(x.count() * product.chunks(), product.ns_per_tile(x), [&](int64_t i, int worker) {
          const int64_t chunk = i / x.count(), first = product.first_row(chunk);
          const ActivationTiles::Tile tile = x[i % x.count()];
          const int64_t count = std::min(product.chunk_rows(chunk), limit_ - first);
          if (count <= 0) return;
          float* values = scratch + worker * kChunkValues;
          product.dot(chunk, tile, values, HeadProduct::kChunkRows);
          for (int t = 0; t < tile.rows; ++t) {
            rankings.of(worker, static_cast<size_t>(tile.first + t))
                .offer(std::span(values + t * HeadProduct::kChunkRows, static_cast<size_t>(count)),
                       static_cast<int32_t>(first));
          }
        });
    if (finished) write(context, rankings);
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
  std::optional<PackedWeights> packed_;
};

std::unique_ptr<Kernel> make(const KernelQuery& query, const void* device_state) {
  return std::make_unique<RankedLinear>(query, *static_cast<const MicroKernels*>(device_state));
}

}  // namespace

extern constinit const KernelImpl kRankedLinear = {"oag", "RankedLinear", "ranked_linear", accept, make};

}  // namespace oag::cpu
