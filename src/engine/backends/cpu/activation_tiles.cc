#include "engine/backends/cpu/activation_tiles.h"

namespace oag::cpu {

ActivationTiles::ActivationTiles(const float* x, int64_t rows, int64_t inputs, int most)
    : rows_(rows),
      count_((rows + most - 1) / most),
      row_bytes_(inputs * static_cast<int64_t>(sizeof(float))),
      data_(reinterpret_cast<const std::byte*>(x)) {}

ActivationTiles ActivationTiles::quantised(const MicroKernels& micro, KernelEnv& env, const float* x,
                                           int64_t rows, int64_t inputs, int most) {
  ActivationTiles tiles(x, rows, inputs, most);
  if (rows == 0) return tiles;
  tiles.row_bytes_ = inputs / 32 * kActivationBytes;
  std::byte* quantised = env.workspace(static_cast<size_t>(rows * tiles.row_bytes_));
  tiles.data_ = quantised;
  env.parallel_for(tiles.count(), inputs * tiles.most_rows() / 2, [&](int64_t i, int) {
    const Tile to = tiles[i];
    micro.quantise_tile(x + to.first * inputs, inputs, to.rows, inputs,
                        reinterpret_cast<uint8_t*>(quantised + to.first * tiles.row_bytes_));
  });
  return tiles;
}

}  // namespace oag::cpu
