// oag.Linear and oag.MultiLinear with block-format weights: y = x · wᵀ + b.
//
// Weights are packed once, by panels of rows. Activations are quantised to int8 blocks of 32 (scale max|x| /
// 127, to nearest). Products are exact integers within a group of 32 or 16 inputs and sums over groups are
// f32, in order. Against the exact product with the quantised activations: 1e-5 of Σ|w·x|. Against
// unquantised ones: half a step per value, |error| <= Σ_i |w_i| · max|x of i's block| / 254, and about √(1 /
// inputs) of that for values without a pattern.
#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "engine/backends/cpu/activation_tiles.h"
#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/backends/cpu/packed_weights.h"

namespace oag::cpu {
namespace {

Refusal accept(const KernelQuery& query) {
  if (query.dtype(0) != DType::kF32) return "x is not f32";
  for (size_t i = 1; i < query.node.inputs.size(); i += 2) {
    if (!is_block_format(query.dtype(i))) return "w is no block format";
  }
  return {};
}

// How the products with several matrices, taken as one list of panels, are cut into tiles of panels × tokens:
// small enough that a cancelled run stops within a millisecond, large enough that handing them out costs
// nothing.
class LinearTiles {
 public:
  LinearTiles(std::span<const PackedWeights> weights, const ActivationTiles& x, int64_t tokens, int workers)
      : token_tiles_(x.count()), token_chunks_((x.count() + kTokenTiles - 1) / kTokenTiles) {
    // Reading packed weights once, and a product of each token with them.
    double ns = 0;
    for (const PackedWeights& w : weights) {
      ns += ns_of_panel(w, tokens) * static_cast<double>(w.panels());
      panels_ += w.panels();
    }
    ns /= static_cast<double>(token_chunks_);
    // As many for each worker, which has its own, and more when they would be long.
    const double each = std::clamp(std::floor(ns / (workers * kLeastNs)), 1.0, 4.0);
    pieces_ = std::clamp<int64_t>(std::llround(std::max(each * workers, ns / kMostNs)), 1, panels_);
    ns_per_tile_ = static_cast<int64_t>(ns / static_cast<double>(pieces_));
  }

  struct Tile {
    int64_t panel, panel_end;  // in the list
    int64_t token_tile, token_tile_end;
  };
  int64_t count() const { return pieces_ * token_chunks_; }
  int64_t ns_per_tile() const { return ns_per_tile_; }
  // Tiles of the same rows follow each other, so that their weights are still in cache.
  Tile operator[](int64_t i) const {
    const int64_t piece = i / token_chunks_, chunk = i % token_chunks_;
    return {piece * panels_ / pieces_, (piece + 1) * panels_ / pieces_, chunk * token_tiles_ / token_chunks_,
            (chunk + 1) * token_tiles_ / token_chunks_};
  }

 private:
  static constexpr int64_t kTokenTiles = 8;  // in a tile: their activations stay in the second-level cache
  static constexpr double kLeastNs = 2'500, kMostNs = 200'000;

  static double ns_of_panel(const PackedWeights& w, int64_t tokens) {
    constexpr double kBytesPerNs = 16, kByteTokensPerNs = 100;
    const auto bytes = static_cast<double>(w.panel_bytes());
    return bytes / kBytesPerNs + bytes * static_cast<double>(tokens) / kByteTokensPerNs;
  }

  int64_t token_tiles_, token_chunks_, panels_ = 0, pieces_ = 0, ns_per_tile_ = 0;
};

// One or more Linear with the same x: inputs x, w, b, w, b, …; one output each.
class BlockLinear final : public Kernel {
 public:
  BlockLinear(const KernelQuery& query, const MicroKernels& micro)
      : micro_(micro), matrices_(micro, query, 1, 2) {}

  size_t packed_bytes() const override { return matrices_.packed_bytes(); }
  void prepare(KernelEnv& env, std::span<std::byte> packed) override { matrices_.prepare(env, packed); }

  void run(KernelContext& context) const override {
    std::vector<PackedWeights> room;
    const std::span<const PackedWeights> weights = matrices_.of(context, room);
    if (!context.env().should_stop()) multiply(context, weights);
  }

 private:
  void multiply(KernelContext& context, std::span<const PackedWeights> weights) const {
    Dims dims = context.input(0).dims();
    const int64_t inputs = dims.back();
    dims.back() = 1;
    const int64_t tokens = element_count(dims);
    for (size_t i = 0; i < weights.size(); ++i) {
      dims.back() = weights[i].rows().rows;
      context.allocate_output(i, DType::kF32, dims);
    }
    if (tokens == 0) return;
    KernelEnv& env = context.env();
    const float* values = context.input(0).values<float>().data();
    const ActivationTiles x =
        ActivationTiles::quantised(micro_, env, values, tokens, inputs, micro_.tile_tokens);
    const LinearTiles tiles(weights, x, tokens, env.workers());
    env.parallel_for(tiles.count(), tiles.ns_per_tile(), [&](int64_t i, int) {
      const LinearTiles::Tile tile = tiles[i];
      int64_t first = 0;  // of a matrix, in the list of panels
      for (size_t m = 0; m < weights.size() && first < tile.panel_end; first += weights[m++].panels()) {
        const int64_t begin = std::max(tile.panel - first, int64_t{0});
        const int64_t end = std::min(tile.panel_end - first, weights[m].panels());
        if (begin < end) multiply_panels(context, weights[m].rows(), m, begin, end, x, tile);
      }
    });
  }

  void multiply_panels(const KernelContext& context, const PackedRows& rows, size_t matrix, int64_t begin,
                       int64_t end, const ActivationTiles& x, const LinearTiles::Tile& tile) const {
    const size_t input = 2 + 2 * matrix;
    const float* bias = context.has_input(input) ? context.input(input).values<float>().data() : nullptr;
    float* y = context.output(matrix).values<float>().data();
    for (int64_t panel = begin; panel < end; ++panel) {
      for (int64_t t = tile.token_tile; t < tile.token_tile_end; ++t) {
        const ActivationTiles::Tile from = x[t];
        micro_.packed_dot(rows, panel, 1, static_cast<const uint8_t*>(from.data), from.rows, bias,
                          y + from.first * rows.rows, rows.rows);
      }
    }
  }

  const MicroKernels& micro_;
  PackedMatrices matrices_;
};

std::unique_ptr<Kernel> make(const KernelQuery& query, const void* device_state) {
  return std::make_unique<BlockLinear>(query, *static_cast<const MicroKernels*>(device_state));
}

}  // namespace

extern constinit const KernelImpl kLinearBlock = {"oag", "Linear", "linear.block", accept, make};
extern constinit const KernelImpl kMultiLinearBlock = {"oag", "MultiLinear", "multi_linear.block", accept,
                                                       make};

}  // namespace oag::cpu
