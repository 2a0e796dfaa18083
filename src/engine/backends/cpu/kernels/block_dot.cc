// Products of unpacked block-format rows with int8 activations, and the quantisation of the latter.
#include "engine/backends/cpu/kernels/functions.h"
#include "engine/backends/cpu/kernels/vec.h"

namespace oag::cpu::OAG_ISA {
namespace {

// R rows by T tokens. Each output has one accumulator of kLanes sums that takes its blocks in order, then its
// leasts: the same operations whatever R and T are.
template <BlockKind kKind, int R, int T>
void dot_tile(const BlockPanel& panel, int64_t row, const BlockActivations& x, int64_t token,
              const float* bias, float* y, int64_t y_stride) {
  F acc[R][T];
  for (int r = 0; r < R; ++r) {
    for (int t = 0; t < T; ++t) acc[r][t] = zero();
  }
  const uint8_t* w = panel.q + row * x.inputs;
  const float* w_scales = panel.scales + row * panel.group_stride;
  const int8_t* q = x.q + token * x.inputs;
  const float* x_scales = x.scales + token * x.scale_stride;
  for (int64_t b = 0; b < x.inputs / 32; ++b) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Quants wq = load_quants(w + r * x.inputs + 32 * b);
      const float* scale = w_scales + r * panel.group_stride;
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
        const Quants xq = load_quants(q + t * x.inputs + 32 * b);
        const float x_scale = x_scales[t * x.scale_stride + b];
        if constexpr (kKind == BlockKind::kUnsigned16) {
          acc[r][t] = add_dot_halves(acc[r][t], wq, xq, scale[2 * b], scale[2 * b + 1], x_scale);
        } else {
          const F dot = kKind == BlockKind::kSigned32 ? dot_signed(wq, xq) : dot_unsigned(wq, xq);
          acc[r][t] = mul_add(dot, mul(splat(scale[b]), splat(x_scale)), acc[r][t]);
        }
      }
    }
  }
  for (int t = 0; t < T; ++t) {
    const float* sums = x.sums + (token + t) * x.sum_stride;
    for (int r = 0; r < R; ++r) {
      if constexpr (kKind != BlockKind::kSigned32) {
        const float* leasts = panel.leasts + (row + r) * panel.group_stride;
        for (int64_t g = 0; g < panel.group_stride; g += kLanes)
          acc[r][t] = mul_add(load(leasts + g), load(sums + g), acc[r][t]);
      }
      y[(token + t) * y_stride + row + r] = sum(acc[r][t]) + (bias == nullptr ? 0.0f : bias[row + r]);
    }
  }
}

template <BlockKind kKind, int T>
void dot_rows(const BlockPanel& panel, int64_t rows, const BlockActivations& x, int64_t token,
              const float* bias, float* y, int64_t y_stride) {
  constexpr int kRows = T >= 3 ? 2 : 4;
  int64_t r = 0;
  for (; r + kRows <= rows; r += kRows) dot_tile<kKind, kRows, T>(panel, r, x, token, bias, y, y_stride);
  for (; r < rows; ++r) dot_tile<kKind, 1, T>(panel, r, x, token, bias, y, y_stride);
}

}  // namespace

template <BlockKind kKind>
void block_dot(const BlockPanel& panel, int64_t rows, const BlockActivations& x, int64_t tokens,
               const float* bias, float* y, int64_t y_stride) {
  int64_t t = 0;
  for (; t + 4 <= tokens; t += 4) dot_rows<kKind, 4>(panel, rows, x, t, bias, y, y_stride);
  switch (tokens - t) {
    case 3: return dot_rows<kKind, 3>(panel, rows, x, t, bias, y, y_stride);
    case 2: return dot_rows<kKind, 2>(panel, rows, x, t, bias, y, y_stride);
    case 1: return dot_rows<kKind, 1>(panel, rows, x, t, bias, y, y_stride);
    default: return;
  }
}
template void block_dot<BlockKind::kUnsigned32>(const BlockPanel&, int64_t, const BlockActivations&, int64_t,
                                                const float*, float*, int64_t);
template void block_dot<BlockKind::kUnsigned16>(const BlockPanel&, int64_t, const BlockActivations&, int64_t,
                                                const float*, float*, int64_t);
template void block_dot<BlockKind::kSigned32>(const BlockPanel&, int64_t, const BlockActivations&, int64_t,
                                              const float*, float*, int64_t);

void quantise_row(const float* x, int64_t inputs, int group, int8_t* q, float* scales, float* sums) {
  const int64_t blocks = inputs / 32;
  for (int64_t b = 0; b < blocks; ++b) {
    const float* values = x + 32 * b;
    F largest = zero(), poison = zero();
    for (int i = 0; i < 32; i += kLanes) {
      const F v = load(values + i);
      largest = max(abs(v), largest);
      poison = mul_add(v, zero(), poison);  // NaN once a value is not finite
    }
    const float top = max_lane(largest);
    // Below this the inverse would overflow; such a block counts as zero.
    const float inverse = top > 1e-35f ? 127.0f / top : 0.0f;
    const float scale = (top > 1e-35f ? top / 127.0f : 0.0f) + sum(poison);
    scales[b] = scale;
    for (int i = 0; i < 32; i += kLanes)
      store_i8(q + 32 * b + i, max(mul(load(values + i), splat(inverse)), splat(-127.0f)));
    for (int at = 0; at < 32; at += group) {
      int total = 0;
      for (int i = 0; i < group; ++i) total += q[32 * b + at + i];
      sums[(32 * b + at) / group] = scale * static_cast<float>(total);
    }
  }
  for (int64_t b = blocks; b < padded(blocks); ++b) scales[b] = 0.0f;
  for (int64_t g = inputs / group; g < padded(inputs / group); ++g) sums[g] = 0.0f;
}

}  // namespace oag::cpu::OAG_ISA
