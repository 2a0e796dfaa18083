// Sums and extremes along rows and down columns, softmax down columns, and transposed blocks.
#include "engine/backends/cpu/kernels/functions.h"
#include "engine/backends/cpu/kernels/vec_math.h"

namespace oag::cpu::OAG_ISA {
namespace {

constexpr int kVectors = 4;  // accumulators side by side

// step takes a value in, join takes what other values gave.
struct SumStep {
  static constexpr float kNone = 0.0f;
  static F step(F total, F x) { return add(total, x); }
  static F join(F a, F b) { return add(a, b); }
};
struct AbsStep : SumStep {
  static F step(F total, F x) { return add(total, abs(x)); }
};
struct SquareStep : SumStep {
  static F step(F total, F x) { return mul_add(x, x, total); }
};
struct MaxStep {
  static constexpr float kNone = -__builtin_inff();
  static F step(F top, F x) { return keep_nan(top, max(top, x)); }
  static F join(F a, F b) { return step(a, b); }
};
struct MinStep {
  static constexpr float kNone = __builtin_inff();
  static F step(F top, F x) { return keep_nan(top, min(top, x)); }
  static F join(F a, F b) { return step(a, b); }
};

template <ReduceOp kOp>
struct StepOf;
template <>
struct StepOf<ReduceOp::kSum> : SumStep {};
template <>
struct StepOf<ReduceOp::kAbs> : AbsStep {};
template <>
struct StepOf<ReduceOp::kSquares> : SquareStep {};
template <>
struct StepOf<ReduceOp::kMax> : MaxStep {};
template <>
struct StepOf<ReduceOp::kMin> : MinStep {};

template <typename Step>
float join_lanes(F v) {
  float lanes[2 * kLanes];
  for (int width = kLanes / 2; width > 0; width /= 2) {
    store(lanes, v);
    store(lanes + kLanes, splat(Step::kNone));
    v = Step::join(v, load(lanes + width));
  }
  store(lanes, v);
  return lanes[0];
}

}  // namespace

template <ReduceOp kOp>
float reduce_row(const float* x, int64_t count) {
  using Step = StepOf<kOp>;
  F acc[kVectors];
  for (F& each : acc) each = splat(Step::kNone);
  int64_t i = 0;
  for (; i + kVectors * kLanes <= count; i += kVectors * kLanes) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) acc[v] = Step::step(acc[v], load(x + i + v * kLanes));
  }
  for (; i < count; i += kLanes)
    acc[0] = Step::step(acc[0], load_at(x, i, count - i < kLanes ? count - i : kLanes, Step::kNone));
  return join_lanes<Step>(Step::join(Step::join(acc[0], acc[1]), Step::join(acc[2], acc[3])));
}

template <ReduceOp kOp>
void reduce_columns(const float* x, int64_t rows, int64_t stride, int64_t columns, float* y) {
  using Step = StepOf<kOp>;
  int64_t c = 0;
  for (; c + kVectors * kLanes <= columns; c += kVectors * kLanes) {
    F acc[kVectors];
    for (F& each : acc) each = splat(Step::kNone);
    for (int64_t r = 0; r < rows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[v] = Step::step(acc[v], load(x + r * stride + c + v * kLanes));
    }
    for (int v = 0; v < kVectors; ++v)
      store(y + c + v * kLanes, Step::join(load(y + c + v * kLanes), acc[v]));
  }
  for (; c < columns; c += kLanes) {
    const int64_t count = columns - c < kLanes ? columns - c : kLanes;
    F acc = splat(Step::kNone);
    for (int64_t r = 0; r < rows; ++r) acc = Step::step(acc, load_at(x + r * stride, c, count, 0.0f));
    store_at(y, c, count, Step::join(load_at(y, c, count, 0.0f), acc));
  }
}

template float reduce_row<ReduceOp::kSum>(const float*, int64_t);
template float reduce_row<ReduceOp::kAbs>(const float*, int64_t);
template float reduce_row<ReduceOp::kSquares>(const float*, int64_t);
template float reduce_row<ReduceOp::kMax>(const float*, int64_t);
template float reduce_row<ReduceOp::kMin>(const float*, int64_t);
template void reduce_columns<ReduceOp::kSum>(const float*, int64_t, int64_t, int64_t, float*);
template void reduce_columns<ReduceOp::kAbs>(const float*, int64_t, int64_t, int64_t, float*);
template void reduce_columns<ReduceOp::kSquares>(const float*, int64_t, int64_t, int64_t, float*);
template void reduce_columns<ReduceOp::kMax>(const float*, int64_t, int64_t, int64_t, float*);
template void reduce_columns<ReduceOp::kMin>(const float*, int64_t, int64_t, int64_t, float*);

void softmax_columns(const float* x, int64_t rows, int64_t stride, int64_t columns, float* y) {
  for_vectors(columns, [&](int64_t c, int64_t n) {
    F top = splat(-__builtin_inff());
    for (int64_t r = 0; r < rows; ++r) top = max(load_at(x + r * stride, c, n, 0.0f), top);
    F total = zero();
    for (int64_t r = 0; r < rows; ++r) {
      const F p = exp(sub(load_at(x + r * stride, c, n, 0.0f), top));
      total = add(total, p);
      store_at(y + r * stride, c, n, p);
    }
    const F inverse = div(splat(1.0f), total);
    for (int64_t r = 0; r < rows; ++r)
      store_at(y + r * stride, c, n, mul(load_at(y + r * stride, c, n, 0.0f), inverse));
  });
}

void transpose_block(const float* from, int64_t from_stride, int64_t rows, int64_t columns, float* to,
                     int64_t to_stride) {
  int64_t r = 0;
  for (; r + kLanes <= rows; r += kLanes) {
    int64_t c = 0;
    for (; c + kLanes <= columns; c += kLanes) {
      F square[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) square[i] = load(from + (r + i) * from_stride + c);
      transpose(square);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) store(to + (c + i) * to_stride + r, square[i]);
    }
    for (; c < columns; ++c) {
      for (int i = 0; i < kLanes; ++i)
        memcpy(to + c * to_stride + r + i, from + (r + i) * from_stride + c, 4);
    }
  }
  for (; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) memcpy(to + c * to_stride + r, from + r * from_stride + c, 4);
  }
}

}  // namespace oag::cpu::OAG_ISA
