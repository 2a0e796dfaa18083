#include "llm/vision/vision_positions.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace oag {
namespace {

struct AxisTaps {
  std::array<int, 4> index;
  std::array<float, 4> weight;
};

// Cubic convolution with a = -0.75 at distance x from a tap.
double cubic_weight(double x) {
  constexpr double kA = -0.75;
  x = std::abs(x);
  if (x <= 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1.0;
  return ((kA * x - 5.0 * kA) * x + 8.0 * kA) * x - 4.0 * kA;
}

// For each of `count` patches along one axis: where it falls on `side` entries of the table.
std::vector<AxisTaps> axis_taps(int count, int side) {
  std::vector<AxisTaps> taps(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    const double at = (i + 0.5) * side / count - 0.5;
    const double floor = std::floor(at);
    for (int k = 0; k < 4; ++k) {
      taps[i].index[k] = std::clamp(static_cast<int>(floor) + k - 1, 0, side - 1);
      taps[i].weight[k] = static_cast<float>(cubic_weight(at - floor - (k - 1)));
    }
  }
  return taps;
}

// Blocks that the grid does not hold whole would reach past its end.
void check_grid(const ImageGrid& grid, int merge) {
  const bool whole = merge > 0 && grid.rows % merge == 0 && grid.columns % merge == 0;
  if (whole && grid.frames >= 0 && grid.rows >= 0 && grid.columns >= 0) return;
  fail(ErrorCode::kInternal, "patch grid", "{} frames of {}x{} patches are no whole blocks of {}x{}",
       grid.frames, grid.rows, grid.columns, merge, merge);
}

// Calls visit(patch, row, column) for the patches of one frame that belong to the band of merge rows `band`.
template <typename Visit>
void for_band(const ImageGrid& grid, int merge, int64_t band, const Visit& visit) {
  const int bands = grid.rows / merge;
  const auto row = static_cast<int>(band % bands) * merge;
  int64_t patch = band * merge * grid.columns;
  for (int column = 0; column < grid.columns; column += merge)
    for (int dy = 0; dy < merge; ++dy)
      for (int dx = 0; dx < merge; ++dx) visit(patch++, row + dy, column + dx);
}

int64_t band_count(const ImageGrid& grid, int merge) {
  return int64_t{grid.frames} * (grid.rows / merge);
}

template <typename Visit>
void for_patches(const ImageGrid& grid, int merge, const Visit& visit) {
  for (int64_t band = 0; band < band_count(grid, merge); ++band) for_band(grid, merge, band, visit);
}

}  // namespace

std::vector<int32_t> patch_positions(const ImageGrid& grid, int merge) {
  check_grid(grid, merge);
  std::vector<int32_t> positions(static_cast<size_t>(2 * grid.patches()));
  for_patches(grid, merge, [&](int64_t patch, int row, int column) {
    positions[2 * patch] = row;
    positions[2 * patch + 1] = column;
  });
  return positions;
}

PositionTaps position_taps(const ImageGrid& grid, int merge, int side) {
  check_grid(grid, merge);
  const std::vector<AxisTaps> down = axis_taps(grid.rows, side);
  const std::vector<AxisTaps> across = axis_taps(grid.columns, side);
  PositionTaps taps;
  taps.index.resize(static_cast<size_t>(16 * grid.patches()));
  taps.weight.resize(taps.index.size());
  for_patches(grid, merge, [&](int64_t patch, int row, int column) {
    for (size_t y = 0; y < 4; ++y) {
      for (size_t x = 0; x < 4; ++x) {
        const size_t at = 16 * static_cast<size_t>(patch) + 4 * y + x;
        taps.index[at] = down[row].index[y] * side + across[column].index[x];
        taps.weight[at] = down[row].weight[y] * across[column].weight[x];
      }
    }
  });
  return taps;
}

void sample_position_table(std::span<const float> table, int side, int width, const ImageGrid& grid,
                           int merge, std::span<float> out, ParallelFor parallel_for) {
  check_grid(grid, merge);
  if (table.size() != static_cast<size_t>(side) * side * width ||
      out.size() != static_cast<size_t>(grid.patches()) * width)
    fail(ErrorCode::kInternal, "position table",
         "{} values and room for {} do not fit {}x{} patches of width {}", table.size(), out.size(),
         grid.rows, grid.columns, width);
  const std::vector<AxisTaps> down = axis_taps(grid.rows, side);
  const std::vector<AxisTaps> across = axis_taps(grid.columns, side);
  parallel_for(band_count(grid, merge), [&](int64_t band) {
    for_band(grid, merge, band, [&](int64_t patch, int row, int column) {
      float* sum = out.data() + patch * width;
      std::fill_n(sum, width, 0.0f);
      for (size_t y = 0; y < 4; ++y) {
        for (size_t x = 0; x < 4; ++x) {
          const float weight = down[row].weight[y] * across[column].weight[x];
          const int64_t entry = int64_t{down[row].index[y]} * side + across[column].index[x];
          const float* embedding = table.data() + entry * width;
          for (int i = 0; i < width; ++i) sum[i] += weight * embedding[i];
        }
      }
    });
  });
}

VisionRope vision_rope(const ImageGrid& grid, int merge, int head_dim, double theta) {
  check_grid(grid, merge);
  const size_t half = static_cast<size_t>(head_dim) / 2;
  const size_t quarter = half / 2;
  // Cosines and sines of every frequency at every coordinate; angles are rounded to f32 as the reference's
  // are.
  const size_t coordinates = static_cast<size_t>(std::max(grid.rows, grid.columns));
  std::vector<float> cosines(coordinates * quarter), sines(coordinates * quarter);
  for (size_t k = 0; k < quarter; ++k) {
    const auto frequency = static_cast<float>(1.0 / std::pow(theta, 2.0 * static_cast<double>(k) / half));
    for (size_t at = 0; at < coordinates; ++at) {
      const double angle = static_cast<float>(at) * frequency;
      cosines[at * quarter + k] = static_cast<float>(std::cos(angle));
      sines[at * quarter + k] = static_cast<float>(std::sin(angle));
    }
  }
  VisionRope rope;
  rope.cos.resize(static_cast<size_t>(grid.patches()) * half);
  rope.sin.resize(rope.cos.size());
  for_patches(grid, merge, [&](int64_t patch, int row, int column) {
    const size_t out = static_cast<size_t>(patch) * half;
    for (const auto& [from, to] : {std::pair(&cosines, &rope.cos), std::pair(&sines, &rope.sin)}) {
      std::copy_n(from->begin() + static_cast<int64_t>(row * quarter), quarter,
                  to->begin() + static_cast<int64_t>(out));
      std::copy_n(from->begin() + static_cast<int64_t>(column * quarter), quarter,
                  to->begin() + static_cast<int64_t>(out + quarter));
    }
  });
  return rope;
}

}  // namespace oag
