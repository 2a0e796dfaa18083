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

// kVectors runs by Q queries.
template <typename From, int Q, int kVectors>
void score_tile(const KeyRun* runs, int64_t stride, const float* q, int64_t width, bool fetch,
                float* scores) {
  constexpr bool kScaled = From::kBytes == 1;
  constexpr int kPair = 2 * kLanes * From::kBytes <= 64 ? 2 : 1;
  const int64_t group = kScaled ? 32 : width;
  const bool pairs = stride % (2 * kLanes) == 0;
  const char* values[kVectors];
  const char* ahead[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    values[v] = static_cast<const char*>(runs[v].values);
    ahead[v] = fetch ? static_cast<const char*>(runs[v].ahead) : values[v];
  }
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
      const int64_t from = d * stride * From::kBytes;
      F key[kVectors];
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) key[v] = From::at(values[v] + from);
      // Two runs share their lines where a line holds both and a page whole pairs.
      if (pairs) {
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; v += kPair) __builtin_prefetch(ahead[v] + from);
      } else {
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) __builtin_prefetch(ahead[v] + from);
      }
#pragma GCC unroll 8
      for (int i = 0; i < Q; ++i) {
        const F query = splat(q[i * width + d]);
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) part[i][v] = mul_add(query, key[v], part[i][v]);
      }
    }
    for (int v = 0; v < kVectors; ++v) {
      const F scale = kScaled ? load_f16(runs[v].scales + begin / 32 * stride) : splat(1.0f);
      for (int i = 0; i < Q; ++i) acc[i][v] = kScaled ? mul_add(scale, part[i][v], acc[i][v]) : part[i][v];
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    for (int i = 0; i < Q; ++i) store_at(scores + i * kScoreStride, runs[v].at, runs[v].count, acc[i][v]);
  }
}

template <typename From, int Q>
void score_queries(const KeyRun* runs, int64_t run_count, int64_t stride, const float* q, int64_t width,
                   bool fetch, float* scores) {
  // Enough sums under way to hide how long a multiply-add takes, as far as the registers go.
  constexpr int kMost = Q > 4 ? 2 : kRegisters == 32 ? (Q == 1 ? 8 : 4) : (Q == 1 ? 4 : 2);
  int64_t i = 0;
  for (; i + kMost <= run_count; i += kMost)
    score_tile<From, Q, kMost>(runs + i, stride, q, width, fetch, scores);
  for (; i + 2 <= run_count; i += 2) score_tile<From, Q, 2>(runs + i, stride, q, width, fetch, scores);
  if (i < run_count) score_tile<From, Q, 1>(runs + i, stride, q, width, fetch, scores);
}

template <typename From>
void key_scores(const KeyRun* runs, int64_t run_count, int64_t stride, const float* q, int64_t queries,
                int64_t width, float* scores) {
  constexpr int kMost = From::kBytes > 1 && kRegisters == 32 ? 8 : 4;
  const auto some = [&](auto query_count, int64_t i) {
    score_queries<From, query_count.kValue>(runs, run_count, stride, q + i * width, width, i == 0,
                                            scores + i * kScoreStride);
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

// A row of blocks of 32: an f16 scale, then the levels.
struct RowQ8 {
  static F at(const char* row, int64_t c) {
    const char* block = row + c / 32 * 34;
    uint16_t scale;
    memcpy(&scale, block, sizeof scale);
    return mul(splat(f32_of_f16(scale)), FromQ8::at(block + 2 + c % 32));
  }
  static F part(const char* row, int64_t c, int64_t) { return at(row, c); }  // never: 32 are whole vectors
};
template <typename From>
struct Row {
  static F at(const char* row, int64_t c) { return From::at(row + c * From::kBytes); }
  static F part(const char* row, int64_t c, int64_t count) {
    return From::part(row + c * From::kBytes, count);
  }
};

struct Rows {
  const char* data;
  const char* ahead;
  int64_t stride, count;
};

// Columns c to c + kVectors vectors of Q queries' sums; each takes the rows in order.
template <typename Row, int Q, int kVectors>
void sum_columns(const Rows& v, int64_t c, const float* weights, int64_t weight_stride, float* acc,
                 int64_t width) {
  F sums[Q][kVectors];
  for (int q = 0; q < Q; ++q) {
    for (int i = 0; i < kVectors; ++i) sums[q][i] = load(acc + q * width + c + i * kLanes);
  }
  const char* ahead = v.ahead + c * v.stride / width;
  const int64_t ahead_bytes = kVectors * kLanes * v.stride / width;
  for (int64_t r = 0; r < v.count; ++r) {
    for (int64_t line = 0; line < ahead_bytes; line += 64) __builtin_prefetch(ahead + r * v.stride + line);
    F row[kVectors];
#pragma GCC unroll 8
    for (int i = 0; i < kVectors; ++i) row[i] = Row::at(v.data + r * v.stride, c + i * kLanes);
#pragma GCC unroll 8
    for (int q = 0; q < Q; ++q) {
      const F weight = splat(weights[q * weight_stride + r]);
#pragma GCC unroll 8
      for (int i = 0; i < kVectors; ++i) sums[q][i] = mul_add(weight, row[i], sums[q][i]);
    }
  }
  for (int q = 0; q < Q; ++q) {
    for (int i = 0; i < kVectors; ++i) store(acc + q * width + c + i * kLanes, sums[q][i]);
  }
}

template <typename Row, int Q>
void sum_rows(const Rows& v, const float* weights, int64_t weight_stride, int64_t width, float* acc) {
  constexpr int kVectors = Q == 1 ? 8 : Q == 2 || kRegisters == 32 ? 4 : 2;
  int64_t c = 0;
  for (; c + kVectors * kLanes <= width; c += kVectors * kLanes)
    sum_columns<Row, Q, kVectors>(v, c, weights, weight_stride, acc, width);
  for (; c + kLanes <= width; c += kLanes) sum_columns<Row, Q, 1>(v, c, weights, weight_stride, acc, width);
  if (c == width) return;
  for (int64_t r = 0; r < v.count; ++r) {
    const F row = Row::part(v.data + r * v.stride, c, width - c);
    for (int q = 0; q < Q; ++q) {
      float* sums = acc + q * width + c;
      const F weight = splat(weights[q * weight_stride + r]);
      store_part(sums, width - c, mul_add(weight, row, load_part(sums, width - c, 0.0f)));
    }
  }
}

template <typename Row>
void weighted_sum(const FloatRows& values, const void* ahead, int64_t rows, const float* weights,
                  int64_t weight_stride, int64_t queries, int64_t width, float* acc) {
  const char* data = static_cast<const char*>(values.data);
  Rows v = {data, static_cast<const char*>(ahead), values.stride_bytes, rows};
  int64_t q = 0;
  for (; q + 4 <= queries; q += 4) {
    sum_rows<Row, 4>(v, weights + q * weight_stride, weight_stride, width, acc + q * width);
    v.ahead = data;  // fetched once
  }
  weights += q * weight_stride;
  acc += q * width;
  switch (queries - q) {
    case 3: return sum_rows<Row, 3>(v, weights, weight_stride, width, acc);
    case 2: return sum_rows<Row, 2>(v, weights, weight_stride, width, acc);
    case 1: return sum_rows<Row, 1>(v, weights, weight_stride, width, acc);
    default: return;
  }
}

}  // namespace

void key_scores_f32(const KeyRun* runs, int64_t run_count, int64_t stride, const float* q, int64_t queries,
                    int64_t width, float* scores) {
  key_scores<FromF32>(runs, run_count, stride, q, queries, width, scores);
}
void key_scores_f16(const KeyRun* runs, int64_t run_count, int64_t stride, const float* q, int64_t queries,
                    int64_t width, float* scores) {
  key_scores<FromF16>(runs, run_count, stride, q, queries, width, scores);
}
void key_scores_q8_0(const KeyRun* runs, int64_t run_count, int64_t stride, const float* q, int64_t queries,
                     int64_t width, float* scores) {
  key_scores<FromQ8>(runs, run_count, stride, q, queries, width, scores);
}

void weighted_sum_f32(const FloatRows& v, const void* ahead, int64_t rows, const float* weights,
                      int64_t weight_stride, int64_t queries, int64_t width, float* acc) {
  weighted_sum<Row<FromF32>>(v, ahead, rows, weights, weight_stride, queries, width, acc);
}
void weighted_sum_f16(const FloatRows& v, const void* ahead, int64_t rows, const float* weights,
                      int64_t weight_stride, int64_t queries, int64_t width, float* acc) {
  weighted_sum<Row<FromF16>>(v, ahead, rows, weights, weight_stride, queries, width, acc);
}
void weighted_sum_q8_0(const FloatRows& v, const void* ahead, int64_t rows, const float* weights,
                       int64_t weight_stride, int64_t queries, int64_t width, float* acc) {
  weighted_sum<RowQ8>(v, ahead, rows, weights, weight_stride, queries, width, acc);
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
  if (into->total == 0.0f) {
    *into = *part;
    memcpy(into_acc, part_acc, static_cast<size_t>(width) * sizeof(float));
    return;
  }
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
