#include "engine/ops/column_product.h"

#include <algorithm>
#include <vector>

#include "engine/ops/widened.h"

namespace oag {
namespace {

// Sums are made in blocks of kRows rows and kLanes positions, which stay in registers.
constexpr int64_t kRows = 4, kLanes = 4;

// [row block][k][kRows], the last block filled up with zeros.
std::span<double> pack_weights(KernelEnv& env, const ColumnProduct& product,
                               std::span<const double> weights) {
  const int64_t blocks = (product.rows + kRows - 1) / kRows;
  const int64_t block_size = product.terms * kRows;
  const std::span<double> packed = workspace_of(env, product.groups * blocks * block_size);
  const bool done = env.parallel_for(product.groups * blocks, block_size, [&](int64_t i, int) {
    const int64_t group = i / blocks, first = i % blocks * kRows;
    for (int64_t r = 0; r < kRows; ++r) {
      double* to = packed.data() + i * block_size + r;
      const double* from = weights.data() + (group * product.rows + first + r) * product.terms;
      const bool real = first + r < product.rows;
      for (int64_t k = 0; k < product.terms; ++k) to[k * kRows] = real ? from[k] : 0.0;
    }
  });
  return done ? packed : std::span<double>();
}

// [position block][k][kLanes] of rows [terms][count], the last block filled up with zeros.
void pack_columns(std::span<const double> columns, int64_t terms, int64_t count, std::span<double> packed) {
  for (int64_t first = 0; first < count; first += kLanes) {
    const int64_t lanes = std::min(kLanes, count - first);
    double* to = packed.data() + first * terms;
    for (int64_t k = 0; k < terms; ++k) {
      for (int64_t lane = 0; lane < kLanes; ++lane)
        to[k * kLanes + lane] = lane < lanes ? columns[static_cast<size_t>(k * count + first + lane)] : 0.0;
    }
  }
}

// sums[r][lane] += Σ_k a[k][r] · b[k][lane].
void add_block(const double* a, const double* b, int64_t terms, double* sums, int64_t row_step) {
  double block[kRows][kLanes];
  for (int64_t r = 0; r < kRows; ++r) std::copy_n(sums + r * row_step, kLanes, block[r]);
  for (int64_t k = 0; k < terms; ++k) {
    for (int64_t r = 0; r < kRows; ++r) {
      for (int64_t lane = 0; lane < kLanes; ++lane) block[r][lane] += a[k * kRows + r] * b[k * kLanes + lane];
    }
  }
  for (int64_t r = 0; r < kRows; ++r) std::copy_n(block[r], kLanes, sums + r * row_step);
}

}  // namespace

bool ColumnProduct::run(KernelEnv& env, std::span<const double> weights, Columns columns, Store store) const {
  if (images == 0 || groups == 0 || rows == 0 || positions == 0) return true;
  const std::span<double> packed = pack_weights(env, *this, weights);
  if (packed.empty() && terms > 0) return false;
  const int64_t blocks = (rows + kRows - 1) / kRows, tiles = (positions + kTile - 1) / kTile;
  return env.parallel_for(images * groups * tiles, rows * terms * kTile, [&](int64_t tile, int) {
    const int64_t first = tile % tiles * kTile, count = std::min(kTile, positions - first);
    const int64_t group = tile / tiles % groups, image = tile / tiles / groups;
    const int64_t chunk = std::min(kTerms, terms);
    std::vector<double> plain(static_cast<size_t>(chunk * count)), panel(static_cast<size_t>(chunk * kTile)),
        sums(static_cast<size_t>(blocks * kRows * kTile), 0.0);
    for (int64_t k = 0; k < terms && !env.should_stop(); k += kTerms) {
      const int64_t some = std::min(kTerms, terms - k);
      const auto values = std::span(plain).first(static_cast<size_t>(some * count));
      columns({image, group, k, some, first, count}, values);
      pack_columns(values, some, count, panel);
      for (int64_t block = 0; block < blocks; ++block) {
        const double* a = packed.data() + ((group * blocks + block) * terms + k) * kRows;
        for (int64_t lane = 0; lane < count; lane += kLanes)
          add_block(a, panel.data() + lane * some, some, sums.data() + block * kRows * kTile + lane, kTile);
      }
    }
    for (int64_t m = 0; m < rows; ++m)
      store(image, group * rows + m, first,
            std::span(sums).subspan(static_cast<size_t>(m * kTile), static_cast<size_t>(count)));
  });
}

}  // namespace oag
