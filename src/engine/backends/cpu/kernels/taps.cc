// Windows along a row: sums and maxima over their taps, with neighbouring windows in the lanes.
#include "engine/backends/cpu/kernels/functions.h"
#include "engine/backends/cpu/kernels/vec_math.h"

namespace oag::cpu::OAG_ISA {
namespace {

constexpr int kVectors = 4;

struct Sum {
  const float* weights;
  float bias;
  F start() const { return splat(bias); }
  F factor(int64_t tap) const { return splat(weights[tap]); }
  static F step(F total, F factor, F x) { return mul_add(factor, x, total); }
};
struct Maximum {
  static F start() { return splat(-__builtin_inff()); }
  static F factor(int64_t) { return zero(); }
  static F step(F top, F, F x) { return max(top, x); }
};

template <int V, typename Step>
void reduce(const Step& step, const float* x, const int64_t* offsets, int64_t taps, F* result) {
  F acc[V];
  for (int v = 0; v < V; ++v) acc[v] = step.start();
  for (int64_t tap = 0; tap < taps; ++tap) {
    const F factor = step.factor(tap);
    const float* from = x + offsets[tap];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[v] = step.step(acc[v], factor, load(from + v * kLanes));
  }
  for (int v = 0; v < V; ++v) result[v] = acc[v];
}

template <typename Step>
void reduce_row(const Step& step, const float* x, const int64_t* offsets, int64_t taps, int64_t count,
                float* y) {
  F result[kVectors];
  int64_t i = 0;
  for (; i + kVectors * kLanes <= count; i += kVectors * kLanes) {
    reduce<kVectors>(step, x + i, offsets, taps, result);
    for (int v = 0; v < kVectors; ++v) store(y + i + v * kLanes, result[v]);
  }
  for (; i < count; i += kLanes) {
    reduce<1>(step, x + i, offsets, taps, result);
    store_at(y, i, count - i < kLanes ? count - i : kLanes, result[0]);
  }
}

}  // namespace

void tap_sums(const float* x, const int64_t* offsets, const float* weights, int64_t taps, float bias,
              int64_t count, float* y) {
  reduce_row(Sum{weights, bias}, x, offsets, taps, count, y);
}
void tap_maxima(const float* x, const int64_t* offsets, int64_t taps, int64_t count, float* y) {
  reduce_row(Maximum{}, x, offsets, taps, count, y);
}

}  // namespace oag::cpu::OAG_ISA
