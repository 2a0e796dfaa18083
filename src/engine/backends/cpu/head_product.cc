#include "engine/backends/cpu/head_product.h"

#include "engine/tensor/block_format.h"

namespace oag::cpu {

ActivationTiles HeadProduct::tiles_of(const Tensor& x, KernelEnv& env) const {
  const float* rows = x.values<float>().data();
  if (packed_ == nullptr) return {rows, x.dim(0), inputs_, kMostTokens};
  return ActivationTiles::quantised(micro_, env, rows, x.dim(0), inputs_,
                                    std::min(micro_.tile_tokens, kMostTokens));
}

void HeadProduct::dot(int64_t chunk, const ActivationTiles::Tile& x, float* y, int64_t y_stride) const {
  const int64_t first = first_row(chunk), count = chunk_rows(chunk);
  const float* bias = bias_ == nullptr ? nullptr : bias_ + first;
  if (packed_ != nullptr) {
    PackedRows rows = packed_->rows();
    rows.panels += first / micro_.lanes * packed_->panel_bytes();
    rows.rows = count;
    const int64_t panels = (count + micro_.lanes - 1) / micro_.lanes;
    micro_.packed_dot(rows, 0, panels, static_cast<const uint8_t*>(x.data), x.rows, bias, y, y_stride);
    return;
  }
  const DType dtype = floats_->dtype();
  const auto dot = dtype == DType::kF32   ? micro_.dot_f32
                   : dtype == DType::kF16 ? micro_.dot_f16
                                          : micro_.dot_bf16;
  const auto stride = static_cast<int64_t>(row_bytes(dtype, inputs_));
  dot({floats_->data() + first * stride, stride}, count, static_cast<const float*>(x.data), inputs_, x.rows,
      inputs_, bias, y, y_stride);
}

}  // namespace oag::cpu
