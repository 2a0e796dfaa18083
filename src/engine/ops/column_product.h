#pragma once

#include <cstdint>
#include <span>

#include "engine/ops/kernel.h"

namespace oag {

// Convolutions as sums over columns, in double: for each image n, group g, row m of the group and output
// position p, Σ_k weight[g][m][k] · column(n, g, k, p). What differs between convolutions is what a column
// is.
struct ColumnProduct {
  int64_t images = 1, groups = 1;
  int64_t rows = 1;       // of one group
  int64_t terms = 1;      // k
  int64_t positions = 1;  // of one image

  static constexpr int64_t kTile = 64;    // positions that are worked on together
  static constexpr int64_t kTerms = 256;  // terms that are

  // Writes the values of terms [k, k + out.size() / count) at positions [first, first + count) as rows of
  // `count`.
  struct Piece {
    int64_t image, group, k, terms, first, count;
  };
  using Columns = FunctionRef<void(const Piece&, std::span<double>)>;
  // Takes the sums of row `row` (group · rows + m) at positions first, first + 1, …
  using Store = FunctionRef<void(int64_t image, int64_t row, int64_t first, std::span<double>)>;

  // `weights` [groups, rows, terms]. False when the run was stopped.
  bool run(KernelEnv& env, std::span<const double> weights, Columns columns, Store store) const;
};

}  // namespace oag
