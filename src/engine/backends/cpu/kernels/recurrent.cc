// What LSTM, GRU and RNN do with the sums of a step's gates.
#include "engine/backends/cpu/kernels/functions.h"
#include "engine/backends/cpu/kernels/vec_math.h"

namespace oag::cpu::OAG_ISA {

void lstm_gates(const float* gates, int64_t stride, int64_t count, float* c, float* h) {
  const float* out = gates + stride;
  const float* forget = out + stride;
  const float* cell = forget + stride;
  for_vectors(count, [&](int64_t i, int64_t n) {
    const F kept = mul(sigmoid(load_at(forget, i, n, 0.0f)), load_at(c, i, n, 0.0f));
    const F next = mul_add(sigmoid(load_at(gates, i, n, 0.0f)), tanh(load_at(cell, i, n, 0.0f)), kept);
    store_at(c, i, n, next);
    store_at(h, i, n, mul(sigmoid(load_at(out, i, n, 0.0f)), tanh(next)));
  });
}

void gru_reset(const float* reset, const float* h, int64_t count, float* kept) {
  for_vectors(count, [&](int64_t i, int64_t n) {
    store_at(kept, i, n, mul(sigmoid(load_at(reset, i, n, 0.0f)), load_at(h, i, n, 0.0f)));
  });
}

void gru_gates(const float* gates, int64_t stride, bool reset_after, int64_t count, float* h) {
  const float* reset = gates + stride;
  const float* recurrent = reset + stride;
  const float* input = recurrent + stride;
  for_vectors(count, [&](int64_t i, int64_t n) {
    F sum = load_at(recurrent, i, n, 0.0f);
    if (reset_after) sum = mul_add(sigmoid(load_at(reset, i, n, 0.0f)), sum, load_at(input, i, n, 0.0f));
    const F fresh = tanh(sum);
    store_at(h, i, n,
             mul_add(sigmoid(load_at(gates, i, n, 0.0f)), sub(load_at(h, i, n, 0.0f), fresh), fresh));
  });
}

void tanh_all(const float* x, int64_t count, float* y) {
  for_vectors(count, [&](int64_t i, int64_t n) { store_at(y, i, n, tanh(load_at(x, i, n, 0.0f))); });
}

}  // namespace oag::cpu::OAG_ISA
