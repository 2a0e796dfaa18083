#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/backends/cpu/packed_weights.h"
#include "engine/ops/kernel.h"

namespace oag::cpu {

class HeadProduct;

// Rows of activations in the form that a HeadProduct reads, in tiles of at most kMostTokens.
class HeadRows {
 public:
  HeadRows(const HeadProduct& product, KernelEnv& env, const Tensor& x);

  struct Tile {
    int64_t first;  // row
    int count;
    const void* data;
  };
  int64_t tiles() const { return tiles_; }
  Tile tile(int64_t i) const {
    const int64_t first = i * rows_ / tiles_;
    return {first, static_cast<int>((i + 1) * rows_ / tiles_ - first), data_ + first * row_bytes_};
  }
  int64_t ns_per_tile() const { return ns_per_tile_; }  // of a chunk of the product

 private:
  int64_t rows_, tiles_, row_bytes_, ns_per_tile_;
  const std::byte* data_;
};

// Products with a large matrix of any storage, by chunks of its rows.
class HeadProduct {
 public:
  static constexpr int64_t kChunkRows = 512;
  static constexpr int kMostTokens = 8;

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
  int64_t inputs() const { return inputs_; }
  bool quantises() const { return floats_ == nullptr; }
  const MicroKernels& micro() const { return micro_; }

  int64_t chunks() const { return (rows_ + kChunkRows - 1) / kChunkRows; }
  int64_t first_row(int64_t chunk) const { return chunk * kChunkRows; }
  int64_t chunk_rows(int64_t chunk) const { return std::min(kChunkRows, rows_ - first_row(chunk)); }
  // y[t * y_stride + r] for the chunk's rows r, counted from its first.
  void dot(int64_t chunk, const HeadRows::Tile& x, float* y, int64_t y_stride) const;

 private:
  const MicroKernels& micro_;
  const PackedWeights* packed_ = nullptr;
  const Tensor* floats_ = nullptr;
  int64_t rows_, inputs_;
  const float* bias_ = nullptr;
};

}  // namespace oag::cpu
