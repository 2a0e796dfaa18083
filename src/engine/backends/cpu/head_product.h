#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/backends/cpu/activation_tiles.h"
#include "engine/backends/cpu/packed_weights.h"
#include "engine/ops/kernel.h"

namespace oag::cpu {

// Products with a large matrix of any storage, by chunks of its rows.
class HeadProduct {
 public:
  static constexpr int64_t kChunkRows = 512;
  static constexpr int kMostTokens = 8;  // in a tile of activations

  HeadProduct(const MicroKernels& micro, const PackedWeights& packed, const float* bias)
      : micro_(micro),
        packed_(&packed),
        rows_(packed.rows().rows),
        inputs_(packed.rows().inputs),
        bias_(bias) {}
  // f32, f16 or bf16.
  HeadProduct(const MicroKernels& micro, const Tensor& w, const float* bias)
      : micro_(micro), floats_(&w), rows_(w.dim(0)), inputs_(w.dim(1)), bias_(bias) {}

  int64_t rows() const { return rows_; }
  int64_t chunks() const { return (rows_ + kChunkRows - 1) / kChunkRows; }
  int64_t first_row(int64_t chunk) const { return chunk * kChunkRows; }
  int64_t chunk_rows(int64_t chunk) const { return std::min(kChunkRows, rows_ - first_row(chunk)); }
  // The rows of x as dot() reads them.
  ActivationTiles tiles_of(const Tensor& x, KernelEnv& env) const;
  // Of one chunk with one of the tiles.
  int64_t ns_per_tile(const ActivationTiles& x) const {
    return std::min(kChunkRows, rows_) * inputs_ * (x.most_rows() + 2) / 64;
  }
  // y[t * y_stride + r] for the chunk's rows r, counted from its first.
  void dot(int64_t chunk, const ActivationTiles::Tile& x, float* y, int64_t y_stride) const;

 private:
  const MicroKernels& micro_;
  const PackedWeights* packed_ = nullptr;
  const Tensor* floats_ = nullptr;
  int64_t rows_, inputs_;
  const float* bias_ = nullptr;
};

}  // namespace oag::cpu
