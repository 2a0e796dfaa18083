// oag.ExpertLinear: y[t, j] = w of expert experts[t, j] · x. Rows are taken expert by expert, in tiles, so
// that a matrix is read once for all of its rows; each product is computed as linear.block and linear.float
// compute it, bit for bit, whatever else is in a tile.
#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "engine/backends/cpu/cpu_kernel.h"
#include "engine/backends/cpu/head_product.h"

namespace oag::cpu {
namespace {

enum Input : size_t { kX, kExperts, kFirstMatrix };

Refusal accept(const KernelQuery& query) {
  if (query.dtype(kX) != DType::kF32) return "x is not f32";
  const bool blocks = is_block_format(query.dtype(kFirstMatrix));
  for (size_t i = kFirstMatrix; i < query.node.inputs.size(); ++i) {
    const DType w = query.dtype(i);
    if (is_block_format(w) != blocks) return "some w have a block format, some not";
    if (!blocks && w != DType::kF32 && w != DType::kF16 && w != DType::kBF16)
      return "w is not f32, f16, bf16 or a block format";
  }
  return {};
}

// The choices of all tokens, those of one expert one after the other, cut into tiles.
struct Choices {
  struct Tile {
    size_t expert;
    int64_t first;  // in `order`
    int rows;
  };
  std::vector<int64_t> order;  // token · k + j
  std::vector<Tile> tiles;

  Choices(const KernelContext& context, int most_rows) {
    const auto experts = context.input(kExperts).values<int64_t>();
    const size_t matrices = context.input_count() - kFirstMatrix;
    std::vector<int64_t> ends(matrices + 1, 0);
    for (size_t at = 0; at < experts.size(); ++at) {
      if (experts[at] < 0 || static_cast<size_t>(experts[at]) >= matrices)
        context.refuse("choice {} is expert {}, there are {}", at, experts[at], matrices);
      ++ends[static_cast<size_t>(experts[at]) + 1];
    }
    for (size_t e = 0; e < matrices; ++e) {
      const int64_t count = ends[e + 1], pieces = (count + most_rows - 1) / most_rows;
      for (int64_t i = 0; i < pieces; ++i) {
        const int64_t begin = i * count / pieces, end = (i + 1) * count / pieces;
        tiles.push_back({e, ends[e] + begin, static_cast<int>(end - begin)});
      }
      ends[e + 1] += ends[e];
    }
    order.resize(experts.size());
    for (size_t at = 0; at < experts.size(); ++at)
      order[static_cast<size_t>(ends[static_cast<size_t>(experts[at])]++)] = static_cast<int64_t>(at);
  }
};

class ExpertLinear final : public Kernel {
 public:
  ExpertLinear(const KernelQuery& query, const MicroKernels& micro) : micro_(micro) {
    if (is_block_format(query.dtype(kFirstMatrix))) matrices_.emplace(micro, query, kFirstMatrix, 1);
  }

  size_t packed_bytes() const override { return matrices_ ? matrices_->packed_bytes() : 0; }
  void prepare(KernelEnv& env, std::span<std::byte> packed) override {
    if (matrices_) matrices_->prepare(env, packed);
  }

  void run(KernelContext& context) const override {
    std::vector<PackedWeights> room;
    std::vector<HeadProduct> products;
    if (matrices_) {
      for (const PackedWeights& w : matrices_->of(context, room)) products.emplace_back(micro_, w, nullptr);
    } else {
      for (size_t i = kFirstMatrix; i < context.input_count(); ++i)
        products.emplace_back(micro_, context.input(i), nullptr);
    }
    if (!context.env().should_stop()) multiply(context, products);
  }

 private:
  // What a worker needs to bring rows together and take results apart.
  struct Rows {
    const float* x;
    int64_t inputs, choices;
    bool by_choice;

    const float* of(int64_t choice) const { return x + (by_choice ? choice : choice / choices) * inputs; }
    // The rows of a tile one after the other: where they are, or in `room`.
    const float* gather(const Choices& all, const Choices::Tile& tile, float* room) const {
      if (tile.rows == 1) return of(all.order[static_cast<size_t>(tile.first)]);
      for (int r = 0; r < tile.rows; ++r) {
        std::memcpy(room + r * inputs, of(all.order[static_cast<size_t>(tile.first + r)]),
                    static_cast<size_t>(inputs) * sizeof(float));
      }
      return room;
    }
  };

  void multiply(KernelContext& context, std::span<const HeadProduct> products) const {
    const Tensor &x = context.input(kX), &experts = context.input(kExperts);
    const int64_t outputs = products[0].rows();
    context.allocate_output(0, DType::kF32, {experts.dim(0), experts.dim(1), outputs});
    const int most =
        matrices_ ? std::min(micro_.tile_tokens, HeadProduct::kMostTokens) : HeadProduct::kMostTokens;
    const Choices choices(context, most);
    const Rows rows = {x.values<float>().data(), x.dims().back(), experts.dim(1), x.rank() == 3};
    const auto tiles = static_cast<int64_t>(choices.tiles.size()), chunks = products[0].chunks();
    if (tiles == 0 || outputs == 0) return;

    KernelEnv& env = context.env();
    const auto room_values = static_cast<size_t>(most) * static_cast<size_t>(rows.inputs);
    constexpr auto kResultValues = static_cast<size_t>(HeadProduct::kChunkRows * HeadProduct::kMostTokens);
    const auto workers = static_cast<size_t>(env.workers());
    auto* room = reinterpret_cast<float*>(env.workspace(workers * room_values * sizeof(float)));
    auto* results = reinterpret_cast<float*>(env.workspace(workers * kResultValues * sizeof(float)));
    const std::byte* quantised = matrices_ ? quantise(env, choices, rows, room, room_values) : nullptr;

    const int64_t mean_rows = (static_cast<int64_t>(choices.order.size()) + tiles - 1) / tiles;
    const int64_t ns = std::min(HeadProduct::kChunkRows, outputs) * rows.inputs * (mean_rows + 2) / 64;
    float* y = context.output(0).values<float>().data();
    env.parallel_for(tiles * chunks, ns, [&](int64_t i, int worker) {
      // Tiles of an expert follow each other for each chunk of its rows, which are then still in cache.
      const Piece piece = piece_of(choices, chunks, i);
      const Choices::Tile& tile = choices.tiles[piece.tile];
      const HeadProduct& product = products[tile.expert];
      const auto at = static_cast<size_t>(worker);
      const void* data = matrices_ ? static_cast<const void*>(quantised + tile.first * row_bytes(rows))
                                   : rows.gather(choices, tile, room + at * room_values);
      const ActivationTiles::Tile from = {tile.first, tile.rows, data};
      const int64_t first = product.first_row(piece.chunk), count = product.chunk_rows(piece.chunk);
      const auto to = [&](int row) {
        return y + choices.order[static_cast<size_t>(tile.first + row)] * outputs + first;
      };
      if (tile.rows == 1) return product.dot(piece.chunk, from, to(0), outputs);
      float* result = results + at * kResultValues;
      product.dot(piece.chunk, from, result, HeadProduct::kChunkRows);
      for (int r = 0; r < tile.rows; ++r) {
        std::memcpy(to(r), result + r * HeadProduct::kChunkRows, static_cast<size_t>(count) * sizeof(float));
      }
    });
  }

  static int64_t row_bytes(const Rows& rows) { return rows.inputs / 32 * kActivationBytes; }

  // All tiles as packed_dot reads them.
  const std::byte* quantise(KernelEnv& env, const Choices& choices, const Rows& rows, float* room,
                            size_t room_values) const {
    std::byte* quantised = env.workspace(choices.order.size() * static_cast<size_t>(row_bytes(rows)));
    env.parallel_for(static_cast<int64_t>(choices.tiles.size()), rows.inputs * 2, [&](int64_t i, int worker) {
      const Choices::Tile& tile = choices.tiles[static_cast<size_t>(i)];
      const float* from = rows.gather(choices, tile, room + static_cast<size_t>(worker) * room_values);
      micro_.quantise_tile(from, rows.inputs, tile.rows, rows.inputs,
                           reinterpret_cast<uint8_t*>(quantised + tile.first * row_bytes(rows)));
    });
    return quantised;
  }

  struct Piece {
    size_t tile;
    int64_t chunk;
  };
  // Of tiles × chunks the i-th, expert by expert, in these chunk by chunk.
  static Piece piece_of(const Choices& choices, int64_t chunks, int64_t i) {
    const auto& tiles = choices.tiles;
    const size_t expert = tiles[static_cast<size_t>(i / chunks)].expert;
    const auto of_expert = std::ranges::equal_range(tiles, expert, {}, &Choices::Tile::expert);
    const int64_t begin = of_expert.begin() - tiles.begin(), count = std::ssize(of_expert);
    const int64_t at = i - begin * chunks;
    return {static_cast<size_t>(begin + at % count), at / count};
  }

  const MicroKernels& micro_;
  std::optional<PackedMatrices> matrices_;  // of a block format
};

std::unique_ptr<Kernel> make(const KernelQuery& query, const void* device_state) {
  return std::make_unique<ExpertLinear>(query, *static_cast<const MicroKernels*>(device_state));
}

}  // namespace

extern constinit const KernelImpl kExpertLinear = {"oag", "ExpertLinear", "expert_linear", accept, make};

}  // namespace oag::cpu
