#include "engine/backends/cpu/head_product.h"

#include "engine/tensor/block_format.h"

namespace oag::cpu {

HeadRows::HeadRows(const HeadProduct& product, KernelEnv& env, const Tensor& x)
    : rows_(x.dim(0)), data_(x.data()) {
  const MicroKernels& micro = product.micro();
  const int64_t inputs = product.inputs();
  const int most =
      std::min(product.quantises() ? micro.tile_tokens : HeadProduct::kMostTokens, HeadProduct::kMostTokens);
  tiles_ = (rows_ + most - 1) / most;
  const int64_t tokens = std::min<int64_t>(rows_, most);
  ns_per_tile_ = std::min(HeadProduct::kChunkRows, product.rows()) * inputs * (tokens + 2) / 64;
  row_bytes_ = inputs * static_cast<int64_t>(sizeof(float));
  if (!product.quantises() || rows_ == 0) return;
  row_bytes_ = inputs / 32 * kActivationBytes;
  std::byte* quantised = env.workspace(static_cast<size_t>(rows_ * row_bytes_));
  data_ = quantised;
  env.parallel_for(tiles_, inputs * tokens / 2, [&](int64_t i, int) {
    const Tile to = tile(i);
    micro.quantise_tile(x.values<float>().data() + to.first * inputs, inputs, to.count, inputs,
                        reinterpret_cast<uint8_t*>(quantised + to.first * row_bytes_));
  });
}

void HeadProduct::dot(int64_t chunk, const HeadRows::Tile& x, float* y, int64_t y_stride) const {
  const int64_t first = first_row(chunk), count = chunk_rows(chunk);
  const float* bias = bias_ == nullptr ? nullptr : bias_ + first;
  if (packed_ != nullptr) {
    PackedRows rows = packed_->rows();
    rows.panels += first / micro_.lanes * packed_->panel_bytes();
    rows.rows = count;
    const int64_t panels = (count + micro_.lanes - 1) / micro_.lanes;
    micro_.packed_dot(rows, 0, panels, static_cast<const uint8_t*>(x.data), x.count, bias, y, y_stride);
    return;
  }
  const DType dtype = floats_->dtype();
  const auto dot = dtype == DType::kF32   ? micro_.dot_f32
                   : dtype == DType::kF16 ? micro_.dot_f16
                                          : micro_.dot_bf16;
  const auto stride = static_cast<int64_t>(row_bytes(dtype, inputs_));
  dot({floats_->data() + first * stride, stride}, count, static_cast<const float*>(x.data), inputs_, x.count,
      inputs_, bias, y, y_stride);
}

}  // namespace oag::cpu
