// The inner loops of attention: a running softmax over blocks of positions.
#include "engine/backends/cpu/kernels/functions.h"
#include "engine/backends/cpu/kernels/vec_math.h"

namespace oag::cpu::OAG_ISA {
namespace {

constexpr float kLowest = -__builtin_inff();

float exp_of(float x) {
  float values[kLanes];
  store(values, exp(splat(x)));
  return values[0];
}

template <int kCount>
struct Count {
  static constexpr int kValue = kCount;
};

struct FromF32 {
  static constexpr int64_t kBytes = 4;
  static F at(const char* p) { return load(reinterpret_cast<const float*>(p)); }
  static F part(const char* p, int64_t count) {
    return load_part(reinterpret_cast<const float*>(p), count, 0.0f);
  }
};
struct FromF16 {
  static constexpr int64_t kBytes = 2;
  static F at(const char* p) { return load_f16(reinterpret_cast<const uint16_t*>(p)); }
  static F part(const char* p, int64_t count) {
    uint16_t halves[kLanes] = {};
    memcpy(halves, p, static_cast<size_t>(count) * sizeof(uint16_t));
    return load_f16(halves);
  }
};

struct FromQ8 {
  static constexpr int64_t kBytes = 1;
  static F at(const char* p) { return load_i8(reinterpret_cast<const int8_t*>(p)); }
};

// kVectors vectors of positions by Q queries.
template <typename From, int Q, int kVectors>
void score_tile(const KeyColumns& keys, int64_t at, int64_t count, const float* q, int64_t width,
                float* scores) {
  constexpr bool kScaled = From::kBytes == 1;
  const char* values = static_cast<const char*>(keys.values) + at * From::kBytes;
  const int64_t group = kScaled ? 32 : width;
  F acc[Q][kVectors];
  for (int i = 0; i < Q; ++i) {
    for (int v = 0; v < kVectors; ++v) acc[i][v] = zero();
  }
  for (int64_t begin = 0; begin < width; begin += group) {
    F part[Q][kVectors];
    for (int i = 0; i < Q; ++i) {
      for (int v = 0; v < kVectors; ++v) part[i][v] = zero();
    }
    for (int64_t d = begin; d < begin + group; ++d) {
      F key[kVectors];
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v)
        key[v] = From::at(values + (d * keys.stride + v * kLanes) * From::kBytes);
#pragma GCC unroll 8
      for (int i = 0; i < Q; ++i) {
        const F query = splat(q[i * width + d]);
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) part[i][v] = mul_add(query, key[v], part[i][v]);
      }
    }
    for (int v = 0; v < kVectors; ++v) {
      const F scale =
          kScaled ? load_f16(keys.scales + begin / 32 * keys.stride + at + v * kLanes) : splat(1.0f);
      for (int i = 0; i < Q; ++i) acc[i][v] = kScaled ? mul_add(scale, part[i][v], acc[i][v]) : part[i][v];
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    const int64_t left = count - at - v * kLanes;
    for (int i = 0; i < Q; ++i) {
      float* to = scores + i * kScoreStride + at + v * kLanes;
      if (left >= kLanes) {
        store(to, acc[i][v]);
      } else {
        store_part(to, left, acc[i][v]);
      }
    }
  }
}

template <typename From, int Q>
void score_queries(const KeyColumns& keys, int64_t count, const float* q, int64_t width, float* scores) {
  int64_t at = 0;
  for (; at + kLanes < count; at += 2 * kLanes) score_tile<From, Q, 2>(keys, at, count, q, width, scores);
  if (at < count) score_tile<From, Q, 1>(keys, at, count, q, width, scores);
}

template <typename From>
void key_scores(const KeyColumns& keys, int64_t count, const float* q, int64_t queries, int64_t width,
                float* scores) {
  constexpr int kMost = From::kBytes > 1 && kRegisters == 32 ? 8 : 4;
  const auto some = [&](auto query_count, int64_t i) {
    score_queries<From, query_count.kValue>(keys, count, q + i * width, width, scores + i * kScoreStride);
  };
  int64_t i = 0;
  for (; i + kMost <= queries; i += kMost) some(Count<kMost>(), i);
  for (; i + 4 <= queries; i += 4) some(Count<4>(), i);
  switch (queries - i) {
    case 3: return some(Count<3>(), i);
    case 2: return some(Count<2>(), i);
    case 1: return some(Count<1>(), i);
    default: return;
  }
}

// kVectors vectors of Q queries' sums; each takes the rows in order.
template <typename From, int Q, int kVectors>
void sum_columns(const char* v, int64_t stride, int64_t rows, const float* weights, int64_t weight_stride,
                 float* acc, int64_t acc_stride) {
  F sums[Q][kVectors];
  for (int q = 0; q < Q; ++q) {
    for (int c = 0; c < kVectors; ++c) sums[q][c] = load(acc + q * acc_stride + c * kLanes);
  }
  for (int64_t r = 0; r < rows; ++r) {
    F row[kVectors];
#pragma GCC unroll 8
    for (int c = 0; c < kVectors; ++c) row[c] = From::at(v + r * stride + c * kLanes * From::kBytes);
#pragma GCC unroll 8
    for (int q = 0; q < Q; ++q) {
      const F weight = splat(weights[q * weight_stride + r]);
#pragma GCC unroll 8
      for (int c = 0; c < kVectors; ++c) sums[q][c] = mul_add(weight, row[c], sums[q][c]);
    }
  }
  for (int q = 0; q < Q; ++q) {
    for (int c = 0; c < kVectors; ++c) store(acc + q * acc_stride + c * kLanes, sums[q][c]);
  }
}

template <typename From, int Q>
void sum_rows(const char* v, int64_t stride, int64_t rows, const float* weights, int64_t weight_stride,
              int64_t width, float* acc) {
  constexpr int kVectors = Q == 1 ? 8 : Q == 2 || kRegisters == 32 ? 4 : 2;
  int64_t c = 0;
  for (; c + kVectors * kLanes <= width; c += kVectors * kLanes) {
    sum_columns<From, Q, kVectors>(v + c * From::kBytes, stride, rows, weights, weight_stride, acc + c,
                                   width);
  }
  for (; c + kLanes <= width; c += kLanes) {
    sum_columns<From, Q, 1>(v + c * From::kBytes, stride, rows, weights, weight_stride, acc + c, width);
  }
  if (c == width) return;
  for (int64_t r = 0; r < rows; ++r) {
    const F row = From::part(v + r * stride + c * From::kBytes, width - c);
    for (int q = 0; q < Q; ++q) {
      float* sums = acc + q * width + c;
      const F weight = splat(weights[q * weight_stride + r]);
      store_part(sums, width - c, mul_add(weight, row, load_part(sums, width - c, 0.0f)));
    }
  }
}

template <typename From>
void weighted_sum(const FloatRows& v, int64_t rows, const float* weights, int64_t weight_stride,
                  int64_t queries, int64_t width, float* acc) {
  const char* data = static_cast<const char*>(v.data);
  int64_t q = 0;
  for (; q + 4 <= queries; q += 4) {
    sum_rows<From, 4>(data, v.stride_bytes, rows, weights + q * weight_stride, weight_stride, width,
                      acc + q * width);
  }
  weights += q * weight_stride;
  acc += q * width;
  switch (queries - q) {
    case 3: return sum_rows<From, 3>(data, v.stride_bytes, rows, weights, weight_stride, width, acc);
    case 2: return sum_rows<From, 2>(data, v.stride_bytes, rows, weights, weight_stride, width, acc);
    case 1: return sum_rows<From, 1>(data, v.stride_bytes, rows, weights, weight_stride, width, acc);
    default: return;
  }
}

}  // namespace

void key_scores_f32(const KeyColumns& keys, int64_t count, const float* q, int64_t queries, int64_t width,
                    float* scores) {
  key_scores<FromF32>(keys, count, q, queries, width, scores);
}
void key_scores_f16(const KeyColumns& keys, int64_t count, const float* q, int64_t queries, int64_t width,
                    float* scores) {
  key_scores<FromF16>(keys, count, q, queries, width, scores);
}
void key_scores_q8_0(const KeyColumns& keys, int64_t count, const float* q, int64_t queries, int64_t width,
                     float* scores) {
  key_scores<FromQ8>(keys, count, q, queries, width, scores);
}

void weighted_sum_f32(const FloatRows& v, int64_t rows, const float* weights, int64_t weight_stride,
                      int64_t queries, int64_t width, float* acc) {
  weighted_sum<FromF32>(v, rows, weights, weight_stride, queries, width, acc);
}
void weighted_sum_f16(const FloatRows& v, int64_t rows, const float* weights, int64_t weight_stride,
                      int64_t queries, int64_t width, float* acc) {
  weighted_sum<FromF16>(v, rows, weights, weight_stride, queries, width, acc);
}

void softmax_step(float* scores, int64_t count, SoftmaxState* state, float* acc, int64_t width) {
  F top = splat(kLowest);
  for_vectors(count, [&](int64_t i, int64_t n) { top = max(load_at(scores, i, n, kLowest), top); });
  const float block_top = max_lane(top);
  const float new_top = block_top > state->top ? block_top : state->top;
  const float keep = new_top == state->top ? 1.0f : exp_of(state->top - new_top);
  F total = zero();
  for_vectors(count, [&](int64_t i, int64_t n) {
    const F p = exp(sub(load_at(scores, i, n, kLowest), splat(new_top)));
    total = add(total, p);
    store_at(scores, i, n, p);
  });
  state->total = state->total * keep + sum(total);
  state->top = new_top;
  if (keep == 1.0f) return;
  for_vectors(width,
              [&](int64_t i, int64_t n) { store_at(acc, i, n, mul(load_at(acc, i, n, 0.0f), splat(keep))); });
}

void softmax_merge(SoftmaxState* into, float* into_acc, const SoftmaxState* part, const float* part_acc,
                   int64_t width) {
  if (part->total == 0.0f) return;  // saw no position
  const float top = part->top > into->top ? part->top : into->top;
  const float keep = exp_of(into->top - top), take = exp_of(part->top - top);
  into->total = into->total * keep + part->total * take;
  into->top = top;
  for_vectors(width, [&](int64_t i, int64_t n) {
    const F kept = mul(load_at(into_acc, i, n, 0.0f), splat(keep));
    store_at(into_acc, i, n, add(kept, mul(load_at(part_acc, i, n, 0.0f), splat(take))));
  });
}

}  // namespace oag::cpu::OAG_ISA
