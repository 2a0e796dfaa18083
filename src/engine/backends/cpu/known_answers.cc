#include "engine/backends/cpu/known_answers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "engine/backends/cpu/micro_kernels.h"
#include "engine/tensor/block_format.h"
#include "engine/tensor/float16.h"

namespace oag::cpu {
namespace {

constexpr int64_t kWidth = 64;    // of a row: several vectors of every instruction set
constexpr int64_t kInputs = 256;  // of a packed row: one block of the K formats
constexpr int64_t kQueries = 3;
constexpr int64_t kSlack = 64;  // what kernels may read behind the last value

// The same values everywhere.
class Values {
 public:
  uint32_t bits() { return state_ = state_ * 1664525u + 1013904223u; }
  float between(float low, float high) {
    return low + (high - low) * static_cast<float>(bits() >> 8) * 0x1p-24f;
  }
  std::vector<float> some(int64_t count, float low = -1, float high = 1) {
    std::vector<float> values(static_cast<size_t>(count + kSlack));
    for (int64_t i = 0; i < count; ++i) values[static_cast<size_t>(i)] = between(low, high);
    return values;
  }

 private:
  uint32_t state_ = 12345;
};

bool near(double got, double expected, double tolerance) {
  return std::abs(got - expected) <= tolerance;  // false for NaN
}

std::vector<uint16_t> halves_of(const std::vector<float>& values) {
  std::vector<uint16_t> halves;
  for (const float value : values) halves.push_back(f16_from_f32(value));
  return halves;
}

// --- products with packed rows

// Rows of a format as they are stored: random bits, with sane scales in each block.
struct StoredRows {
  DType dtype;
  std::array<int, 2> scale_offsets;  // of f16 numbers; -1: none
  int exponent_offset = -1;          // of a byte n for 2^(n - 127)
};

bool packed_product_is_right(const MicroKernels& micro, const StoredRows& stored) {
  const auto* format = std::find_if(micro.formats, micro.formats + kBlockFormatCount,
                                    [&](const BlockFormat& each) { return each.dtype == stored.dtype; });
  const int rows = micro.lanes - 1, tokens = micro.tile_tokens;
  const size_t stride = row_bytes(stored.dtype, kInputs), block = dtype_info(stored.dtype).block_bytes;
  Values random;
  std::vector<uint8_t> bytes(stride * static_cast<size_t>(rows));
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.bits() >> 24);
  for (size_t at = 0; at < bytes.size(); at += block) {
    for (const int offset : stored.scale_offsets) {
      if (offset < 0) continue;
      const uint16_t scale = f16_from_f32(random.between(0.01f, 0.02f));
      bytes[at + static_cast<size_t>(offset)] = static_cast<uint8_t>(scale & 255);
      bytes[at + static_cast<size_t>(offset) + 1] = static_cast<uint8_t>(scale >> 8);
    }
    if (stored.exponent_offset >= 0)
      bytes[at + static_cast<size_t>(stored.exponent_offset)] =
          static_cast<uint8_t>(120 + (random.bits() >> 29));
  }
  std::vector<float> w(static_cast<size_t>(rows * kInputs));
  decode_blocks(stored.dtype, std::as_bytes(std::span(bytes)), w);
  // Multiples of 2^-7 whose largest in each block is 127 of them: their quantisation is exact.
  std::vector<float> x(static_cast<size_t>(tokens * kInputs));
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = (i % 32 == 0 ? 127.0f : static_cast<float>(static_cast<int>(random.bits() >> 24) % 127 - 63)) *
           0x1p-7f;

  struct alignas(64) Line {
    uint8_t bytes[64];
  };
  const auto lines = [](int64_t size_bytes) {
    return std::vector<Line>(static_cast<size_t>(size_bytes / 64 + 2));
  };
  const int64_t packed_bytes = panel_bytes(*format, micro.lanes, kInputs);
  auto scratch = lines(pack_scratch_bytes(micro.lanes, kInputs));
  auto panel = lines(packed_bytes), tile = lines(tokens * (kInputs / 32) * kActivationBytes);
  micro.pack_panel(*format, bytes.data(), static_cast<int64_t>(stride), rows, kInputs, scratch[0].bytes,
                   panel[0].bytes);
  const PackedRows packed{format, panel[0].bytes, rows, kInputs, packed_bytes};
  struct Sum {
    double value = 0.5, size = 0.5;  // the bias
  };
  std::vector<Sum> sums(static_cast<size_t>(tokens * rows));
  for (size_t at = 0; at < sums.size(); ++at) {
    const float* row = w.data() + at % static_cast<size_t>(rows) * kInputs;
    const float* token = x.data() + at / static_cast<size_t>(rows) * kInputs;
    for (int64_t i = 0; i < kInputs; ++i) {
      const double product = double{row[i]} * double{token[i]};
      sums[at].value += product;
      sums[at].size += std::abs(product);
    }
  }
  const std::vector<float> bias(static_cast<size_t>(rows), 0.5f);
  for (const int count : {1, tokens - 1, tokens}) {  // one, an odd number, an even one
    micro.quantise_tile(x.data(), kInputs, count, kInputs, tile[0].bytes);
    std::vector<float> y(static_cast<size_t>(count * rows));
    micro.packed_dot(packed, 0, 1, tile[0].bytes, count, bias.data(), y.data(), rows);
    for (size_t at = 0; at < y.size(); ++at) {
      if (!near(y[at], sums[at].value, 2e-5 * sums[at].size)) return false;
    }
  }
  return true;
}

bool dot_of_4_bits(const MicroKernels& micro) {
  return packed_product_is_right(micro, {DType::kQ4_1, {0, 2}}) &&
         packed_product_is_right(micro, {DType::kQ4_K, {0, 2}});
}
bool dot_of_5_bits(const MicroKernels& micro) {
  return packed_product_is_right(micro, {DType::kQ5_1, {0, 2}});
}
bool dot_of_6_bits(const MicroKernels& micro) {
  return packed_product_is_right(micro, {DType::kQ6_K, {208, -1}});
}
bool dot_of_2_bits(const MicroKernels& micro) {
  return packed_product_is_right(micro, {DType::kQ2_K, {80, 82}});
}
bool dot_of_3_bits(const MicroKernels& micro) {
  return packed_product_is_right(micro, {DType::kQ3_K, {108, -1}});
}
bool dot_of_table_entries(const MicroKernels& micro) {
  return packed_product_is_right(micro, {DType::kIQ4_NL, {0, -1}}) &&
         packed_product_is_right(micro, {DType::kIQ4_XS, {0, -1}}) &&
         packed_product_is_right(micro, {DType::kMXFP4, {-1, -1}, 0});
}
bool dot_of_8_bits(const MicroKernels& micro) {
  return packed_product_is_right(micro, {DType::kQ8_0, {0, -1}});
}

// --- products of f32 rows with rows of floats

template <typename T, typename Decode>
bool float_dot_is_right(MicroKernels::FloatDot dot, const std::vector<T>& w, Decode decode) {
  constexpr int64_t kRows = 5;
  const std::vector<float> x = Values().some(kQueries * kWidth);
  std::vector<float> y(kQueries * kRows);
  dot({w.data(), kWidth * static_cast<int64_t>(sizeof(T))}, kRows, x.data(), kWidth, kQueries, kWidth,
      nullptr, y.data(), kRows);
  for (int64_t t = 0; t < kQueries; ++t) {
    for (int64_t r = 0; r < kRows; ++r) {
      double sum = 0;
      for (int64_t i = 0; i < kWidth; ++i)
        sum += static_cast<double>(decode(w[static_cast<size_t>(r * kWidth + i)])) *
               static_cast<double>(x[static_cast<size_t>(t * kWidth + i)]);
      if (!near(y[static_cast<size_t>(t * kRows + r)], sum, 1e-4)) return false;
    }
  }
  return true;
}

float itself(float value) {
  return value;
}

bool dot_of_floats(const MicroKernels& micro) {
  const std::vector<float> w = Values().some(5 * kWidth);
  std::vector<uint16_t> bf16;
  for (const float value : w) bf16.push_back(bf16_from_f32(value));
  return float_dot_is_right(micro.dot_f32, w, itself) &&
         float_dot_is_right(micro.dot_f16, halves_of(w), f32_from_f16) &&
         float_dot_is_right(micro.dot_bf16, bf16, f32_from_bf16);
}

// --- attention

template <typename T, typename Decode>
bool scores_are_right(const MicroKernels& micro, MicroKernels::KeyScores scores, const std::vector<T>& keys,
                      const uint16_t* scales, Decode decode) {
  constexpr int64_t kCount = kScoreStride - 1;
  const std::vector<float> q = Values().some(kQueries * kWidth);
  std::vector<float> got(static_cast<size_t>(kQueries * kScoreStride + kSlack));
  std::vector<KeyRun> runs;
  for (int64_t at = 0; at < kCount; at += micro.lanes) {
    const T* first = keys.data() + at;
    runs.push_back({first, scales == nullptr ? nullptr : scales + at, first, at,
                    std::min<int64_t>(micro.lanes, kCount - at)});
  }
  scores(runs.data(), static_cast<int64_t>(runs.size()), kScoreStride, q.data(), kQueries, kWidth,
         got.data());
  for (int64_t query = 0; query < kQueries; ++query) {
    for (int64_t t = 0; t < kCount; ++t) {
      double sum = 0;
      for (int64_t i = 0; i < kWidth; ++i) {
        const double scale =
            scales == nullptr ? 1 : static_cast<double>(f32_from_f16(scales[i / 32 * kScoreStride + t]));
        sum += static_cast<double>(q[static_cast<size_t>(query * kWidth + i)]) *
               static_cast<double>(decode(keys[static_cast<size_t>(i * kScoreStride + t)])) * scale;
      }
      if (!near(got[static_cast<size_t>(query * kScoreStride + t)], sum, 1e-4)) return false;
    }
  }
  return true;
}

bool key_scores(const MicroKernels& micro) {
  Values random;
  const std::vector<float> keys = random.some(kWidth * kScoreStride);
  const std::vector<uint16_t> scales = halves_of(random.some(kWidth / 32 * kScoreStride, 0.001f, 0.01f));
  std::vector<int8_t> levels;
  for (const float key : keys) levels.push_back(static_cast<int8_t>(key * 127));
  return scores_are_right(micro, micro.key_scores_f32, keys, nullptr, itself) &&
         scores_are_right(micro, micro.key_scores_f16, halves_of(keys), nullptr, f32_from_f16) &&
         scores_are_right(micro, micro.key_scores_q8_0, levels, scales.data(),
                          [](int8_t level) { return static_cast<float>(level); });
}

// value(i) is what element i of rows [kValueRows, kWidth] holds.
constexpr int64_t kValueRows = 5;
template <typename Value>
bool sum_is_right(MicroKernels::WeightedSum weighted_sum, const FloatRows& rows, Value value) {
  Values random;
  const std::vector<float> weights = random.some(kQueries * kScoreStride, 0, 1);
  const std::vector<float> before = random.some(kQueries * kWidth);
  std::vector<float> acc = before;
  weighted_sum(rows, rows.data, kValueRows, weights.data(), kScoreStride, kQueries, kWidth, acc.data());
  for (int64_t query = 0; query < kQueries; ++query) {
    for (int64_t c = 0; c < kWidth; ++c) {
      const auto at = static_cast<size_t>(query * kWidth + c);
      double sum = before[at];
      for (int64_t r = 0; r < kValueRows; ++r)
        sum += static_cast<double>(weights[static_cast<size_t>(query * kScoreStride + r)]) *
               static_cast<double>(value(static_cast<size_t>(r * kWidth + c)));
      if (!near(acc[at], sum, 1e-5)) return false;
    }
  }
  return true;
}

bool weighted_sum(const MicroKernels& micro) {
  constexpr size_t kBlock = 34;  // bytes of 32 values of q8_0: an f16 scale, then the levels
  const std::vector<float> v = Values().some(kValueRows * kWidth);
  const std::vector<uint16_t> halves = halves_of(v);
  const uint16_t scale = f16_from_f32(1.0f / 128);
  std::vector<uint8_t> blocks(kBlock * static_cast<size_t>(kValueRows * kWidth / 32) + kSlack);
  const auto level_of = [&](size_t i) { return static_cast<int8_t>(v[i] * 127); };
  for (size_t i = 0; i < static_cast<size_t>(kValueRows * kWidth); ++i) {
    uint8_t* block = blocks.data() + i / 32 * kBlock;
    std::memcpy(block, &scale, sizeof scale);
    block[2 + i % 32] = static_cast<uint8_t>(level_of(i));
  }
  return sum_is_right(micro.weighted_sum_f32, {v.data(), kWidth * 4}, [&](size_t i) { return v[i]; }) &&
         sum_is_right(micro.weighted_sum_f16, {halves.data(), kWidth * 2},
                      [&](size_t i) { return f32_from_f16(halves[i]); }) &&
         sum_is_right(micro.weighted_sum_q8_0, {blocks.data(), kWidth / 32 * int64_t{kBlock}},
                      [&](size_t i) { return static_cast<float>(level_of(i)) / 128; });
}

// Two blocks of scores, the second with a larger top, then a merge with a copy of the same.
bool running_softmax(const MicroKernels& micro) {
  Values random;
  std::vector<float> acc(static_cast<size_t>(kWidth), 1.0f);
  SoftmaxState state{-std::numeric_limits<float>::infinity(), 0};
  double top = -1e30, total = 0, factor = 1;
  for (const float high : {1.0f, 3.0f}) {
    const std::vector<float> before = random.some(kScoreStride, -2, high);
    std::vector<float> scores = before;
    if (state.total == 0) std::fill(acc.begin(), acc.end(), 0.0f);
    micro.softmax_step(scores.data(), kScoreStride, &state, acc.data(), kWidth);
    const double new_top =
        std::max(top, double{*std::max_element(before.begin(), before.begin() + kScoreStride)});
    factor = std::exp(top - new_top);
    total *= factor;
    top = new_top;
    for (size_t i = 0; i < kScoreStride; ++i) {
      const double expected = std::exp(double{before[i]} - top);
      total += expected;
      if (!near(scores[i], expected, 1e-5)) return false;
    }
    if (!near(state.top, top, 0) || !near(state.total, total, 1e-4)) return false;
    if (high > 2 && !near(acc[5], factor, 1e-5)) return false;
    std::fill(acc.begin(), acc.end(), 1.0f);
  }
  const SoftmaxState part = state;
  const std::vector<float> part_acc(static_cast<size_t>(kWidth), 2.0f);
  micro.softmax_merge(&state, acc.data(), &part, part_acc.data(), kWidth);
  return near(state.top, top, 0) && near(state.total, 2 * total, 2e-4) &&
         std::all_of(acc.begin(), acc.end(), [](float value) { return near(value, 3, 1e-5); });
}

// --- conversions

bool conversions(const MicroKernels& micro) {
  Values random;
  std::vector<float> values = random.some(kWidth, -70000, 70000);
  const float edges[] = {0.0f,   -0.0f,     65504.0f, 65520.0f, 6e-8f,
                         -3e-5f, 6.104e-5f, 1e-10f,   2049.0f,  -std::numeric_limits<float>::infinity()};
  std::copy(std::begin(edges), std::end(edges), values.begin());
  std::vector<uint16_t> halves(values.size());
  micro.f16_from_f32(values.data(), kWidth, halves.data());
  for (size_t i = 0; i < kWidth; ++i) {
    if (halves[i] != f16_from_f32(values[i])) return false;
  }
  return true;
}

// --- element by element

bool is_near_everywhere(const std::vector<float>& got, const std::vector<float>& x,
                        double (*expected)(double)) {
  for (size_t i = 0; i < kWidth; ++i) {
    const double right = expected(x[i]);
    if (!near(got[i], right, 1e-6 * std::abs(right))) return false;
  }
  return true;
}

double swish_of(double x) {
  return x / (1 + std::exp(-x));
}

double gelu_of(double x) {
  return 0.5 * x * std::erfc(-x * std::sqrt(0.5));
}
double gelu_tanh_of(double x) {
  return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}

// By ElementOp.
double element_of(int op, double x, double a, double b) {
  switch (static_cast<ElementOp>(op)) {
    case ElementOp::kClip: return std::clamp(x, a, b);
    case ElementOp::kLeakyRelu: return x < 0 ? a * x : x;
    case ElementOp::kHardSigmoid: return std::clamp(a * x + b, 0.0, 1.0);
    case ElementOp::kHardSwish: return x * std::clamp(x / 6 + 0.5, 0.0, 1.0);
    case ElementOp::kAffine: return a * x + b;
    case ElementOp::kErf: return std::erf(x);
  }
  return 0;
}
bool elements(const MicroKernels& micro) {
  const std::vector<float> x = Values().some(kWidth, -8, 8);
  std::vector<float> y(kWidth);
  for (int op = 0; op < kElementOps; ++op) {
    micro.element[op](x.data(), kWidth, 0.25f, 0.75f, y.data());
    for (size_t i = 0; i < kWidth; ++i) {
      if (!near(y[i], element_of(op, double{x[i]}, 0.25, 0.75), 4e-6)) return false;
    }
  }
  return true;
}

bool gelus(const MicroKernels& micro) {
  const std::vector<float> x = Values().some(kWidth, -8, 8);
  std::vector<float> exact(x.size()), by_tanh(x.size());
  micro.gelu(x.data(), kWidth, exact.data());
  micro.gelu_tanh(x.data(), kWidth, by_tanh.data());
  for (size_t i = 0; i < kWidth; ++i) {
    if (!near(exact[i], gelu_of(x[i]), 4e-6) || !near(by_tanh[i], gelu_tanh_of(x[i]), 4e-6)) return false;
  }
  return true;
}

bool exponentials(const MicroKernels& micro) {
  const std::vector<float> x = Values().some(kWidth, -20, 20);
  const std::vector<float> twos(x.size(), 2.0f);
  std::vector<float> y(x.size());
  micro.exp(x.data(), kWidth, y.data());
  if (!is_near_everywhere(y, x, [](double v) { return std::exp(v); })) return false;
  micro.sigmoid(x.data(), kWidth, y.data());
  if (!is_near_everywhere(y, x, [](double v) { return 1 / (1 + std::exp(-v)); })) return false;
  micro.swish(x.data(), kWidth, y.data());
  if (!is_near_everywhere(y, x, swish_of)) return false;
  micro.swiglu(x.data(), twos.data(), kWidth, y.data());
  return is_near_everywhere(y, x, [](double v) { return 2 * swish_of(v); });
}

bool arithmetic(const MicroKernels& micro) {
  Values random;
  const std::vector<float> a = random.some(kWidth, 1, 2), b = random.some(kWidth, 1, 2);
  std::vector<float> y(a.size());
  for (size_t op = 0; op < 4; ++op) {
    for (const auto& [a_is_scalar, b_is_scalar] : {std::pair(false, false), {true, false}, {false, true}}) {
      micro.binary[op](a.data(), a_is_scalar, b.data(), b_is_scalar, kWidth, y.data());
      for (size_t i = 0; i < kWidth; ++i) {
        const double l = a[a_is_scalar ? 0 : i], r = b[b_is_scalar ? 0 : i];
        const double expected[] = {l + r, l - r, l * r, l / r};
        if (!near(y[i], expected[op], 1e-6)) return false;
      }
    }
  }
  return true;
}

// --- rows

bool norms(const MicroKernels& micro) {
  Values random;
  const std::vector<float> x = random.some(kWidth), scale = random.some(kWidth);
  std::vector<float> rms(x.size()), layer(x.size()), soft(x.size());
  float mean_out = 0, inverse_out = 0;
  micro.rms_norm(x.data(), scale.data(), kWidth, 1e-5f, rms.data());
  micro.layer_norm(x.data(), scale.data(), nullptr, kWidth, 1e-5f, layer.data(), &mean_out, &inverse_out);
  micro.softmax_row(x.data(), kWidth, soft.data());
  double sum = 0, squares = 0, exponentials = 0;
  for (size_t i = 0; i < kWidth; ++i) {
    sum += x[i];
    squares += double{x[i]} * double{x[i]};
    exponentials += std::exp(double{x[i]});
  }
  const double mean = sum / kWidth, variance = squares / kWidth - mean * mean;
  for (size_t i = 0; i < kWidth; ++i) {
    const double value = x[i], factor = scale[i];
    if (!near(rms[i], value / std::sqrt(squares / kWidth + 1e-5) * factor, 1e-5) ||
        !near(layer[i], (value - mean) / std::sqrt(variance + 1e-5) * factor, 1e-5) ||
        !near(soft[i], std::exp(value) / exponentials, 1e-6)) {
      return false;
    }
  }
  return true;
}

bool rotations(const MicroKernels& micro) {
  constexpr size_t kHalf = kWidth / 2;
  Values random;
  const std::vector<float> x = random.some(kWidth), cosines = random.some(kHalf), sines = random.some(kHalf);
  std::vector<float> halves(x.size()), pairs(x.size());
  micro.rotate_halves(x.data(), cosines.data(), sines.data(), kHalf, halves.data());
  micro.rotate_pairs(x.data(), cosines.data(), sines.data(), kHalf, pairs.data());
  for (size_t i = 0; i < kHalf; ++i) {
    const double c = cosines[i], s = sines[i];
    if (!near(halves[i], x[i] * c - x[kHalf + i] * s, 1e-6) ||
        !near(halves[kHalf + i], x[kHalf + i] * c + x[i] * s, 1e-6) ||
        !near(pairs[2 * i], x[2 * i] * c - x[2 * i + 1] * s, 1e-6) ||
        !near(pairs[2 * i + 1], x[2 * i + 1] * c + x[2 * i] * s, 1e-6)) {
      return false;
    }
  }
  return true;
}

bool panel_product(const MicroKernels& micro) {
  constexpr int64_t kRows = 17, kDepth = 7;  // whole tiles and a part of one
  Values random;
  const std::vector<float> a = random.some(kRows * kDepth), b = random.some(kDepth * kPanelColumns);
  std::vector<float> y(static_cast<size_t>(kRows * kPanelColumns + kSlack));
  micro.panel_product(a.data(), kDepth, kRows, b.data(), kDepth, false, y.data(), kPanelColumns,
                      kPanelColumns);
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t c = 0; c < kPanelColumns; ++c) {
      double sum = 0;
      for (int64_t k = 0; k < kDepth; ++k)
        sum += double{a[static_cast<size_t>(r * kDepth + k)]} *
               double{b[static_cast<size_t>(k * kPanelColumns + c)]};
      if (!near(y[static_cast<size_t>(r * kPanelColumns + c)], sum, 1e-5)) return false;
    }
  }
  // A second time on top, for fewer columns than a panel has: the others stay.
  const std::vector<float> once = y;
  constexpr int64_t kSome = kPanelColumns - 3;
  micro.panel_product(a.data(), kDepth, kRows, b.data(), kDepth, true, y.data(), kPanelColumns, kSome);
  for (size_t i = 0; i < static_cast<size_t>(kRows * kPanelColumns); ++i) {
    const double factor = static_cast<int64_t>(i) % kPanelColumns < kSome ? 2 : 1;
    if (!near(y[i], factor * double{once[i]}, 1e-5)) return false;
  }
  return true;
}

bool rows_product(const MicroKernels& micro) {
  constexpr int64_t kRows = 17, kDepth = 7, kStride = kPanelColumns + 5;
  Values random;
  const std::vector<float> a = random.some(kRows * kDepth), b = random.some(kDepth * kStride);
  std::vector<float> panel, in_place(static_cast<size_t>(kRows * kPanelColumns)), packed(in_place.size());
  for (int64_t k = 0; k < kDepth; ++k)
    panel.insert(panel.end(), b.begin() + k * kStride, b.begin() + k * kStride + kPanelColumns);
  micro.rows_product(a.data(), kDepth, kRows, b.data(), kStride, kDepth, false, in_place.data(),
                     kPanelColumns);
  micro.panel_product(a.data(), kDepth, kRows, panel.data(), kDepth, false, packed.data(), kPanelColumns,
                      kPanelColumns);
  return in_place == packed;
}

double sigmoid_of(double x) {
  return 1 / (1 + std::exp(-x));
}

bool recurrent_cells(const MicroKernels& micro) {
  Values random;
  const std::vector<float> gates = random.some(4 * kWidth, -3, 3), start = random.some(kWidth);
  std::vector<float> c = start, h = start, kept(kWidth), gru[2] = {start, start};
  micro.lstm_gates(gates.data(), kWidth, kWidth, c.data(), h.data());
  micro.gru_reset(gates.data(), start.data(), kWidth, kept.data());
  for (const bool after : {false, true})
    micro.gru_gates(gates.data(), kWidth, after, kWidth, gru[after].data());
  for (size_t i = 0; i < kWidth; ++i) {
    const double g[] = {gates[i], gates[kWidth + i], gates[2 * kWidth + i], gates[3 * kWidth + i]};
    const double cell = sigmoid_of(g[2]) * start[i] + sigmoid_of(g[0]) * std::tanh(g[3]);
    if (!near(c[i], cell, 1e-5) || !near(h[i], sigmoid_of(g[1]) * std::tanh(cell), 1e-5) ||
        !near(kept[i], sigmoid_of(g[0]) * start[i], 1e-5)) {
      return false;
    }
    for (const bool after : {false, true}) {
      const double fresh = std::tanh(after ? g[3] + sigmoid_of(g[1]) * g[2] : g[2]), z = sigmoid_of(g[0]);
      if (!near(gru[after][i], (1 - z) * fresh + z * start[i], 1e-5)) return false;
    }
  }
  std::vector<float> y(kWidth);
  micro.tanh(gates.data(), kWidth, y.data());
  for (size_t i = 0; i < kWidth; ++i) {
    if (!near(y[i], std::tanh(double{gates[i]}), 1e-6)) return false;
  }
  return true;
}

bool reductions(const MicroKernels& micro) {
  constexpr int64_t kRows = 3, kColumns = 77, kStride = 80;  // vectors side by side, one, and a part of one
  const std::vector<float> x = Values().some(kRows * kStride);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (int op = 0; op < kReduceOps; ++op) {
    const auto which = static_cast<ReduceOp>(op);
    const double none = which == ReduceOp::kMax ? -kInfinity : which == ReduceOp::kMin ? kInfinity : 0;
    const auto join = [&](double total, double value) {
      switch (which) {
        case ReduceOp::kSum: return total + value;
        case ReduceOp::kAbs: return total + std::fabs(value);
        case ReduceOp::kSquares: return total + value * value;
        case ReduceOp::kMax: return std::max(total, value);
        default: return std::min(total, value);
      }
    };
    double row = none;
    for (int64_t c = 0; c < kColumns; ++c) row = join(row, x[static_cast<size_t>(c)]);
    if (!near(micro.reduce_row[op](x.data(), kColumns), row, 1e-4)) return false;
    std::vector<float> y(kColumns, static_cast<float>(none));
    micro.reduce_columns[op](x.data(), kRows, kStride, kColumns, y.data());
    for (size_t c = 0; c < kColumns; ++c) {
      double column = none;
      for (size_t r = 0; r < kRows; ++r) column = join(column, x[r * kStride + c]);
      if (!near(y[c], column, 1e-5)) return false;
    }
  }
  return true;
}

bool columns_and_blocks(const MicroKernels& micro) {
  constexpr size_t kRows = 19, kColumns = 37;
  const std::vector<float> x = Values().some(kRows * kColumns);
  std::vector<float> soft(x.size()), turned(x.size());
  micro.softmax_columns(x.data(), kRows, kColumns, kColumns, soft.data());
  micro.transpose_block(x.data(), kColumns, kRows, kColumns, turned.data(), kRows);
  for (size_t c = 0; c < kColumns; ++c) {
    double total = 0;
    for (size_t r = 0; r < kRows; ++r) total += std::exp(double{x[r * kColumns + c]});
    for (size_t r = 0; r < kRows; ++r) {
      if (turned[c * kRows + r] != x[r * kColumns + c] ||
          !near(soft[r * kColumns + c], std::exp(double{x[r * kColumns + c]}) / total, 1e-5)) {
        return false;
      }
    }
  }
  return true;
}

template <typename T, typename Decode>
bool columns_are_right(MicroKernels::PackColumns pack, const std::vector<T>& w, Decode decode) {
  constexpr int64_t kRows = kPanelColumns - 3, kFirst = 5, kDepth = 37;
  std::vector<float> panel(static_cast<size_t>(kDepth * kPanelColumns), -1.0f);
  pack({w.data(), kWidth * static_cast<int64_t>(sizeof(T))}, kRows, kFirst, kDepth, panel.data());
  for (int64_t k = 0; k < kDepth; ++k) {
    for (int64_t c = 0; c < kPanelColumns; ++c) {
      const float right = c < kRows ? decode(w[static_cast<size_t>(c * kWidth + kFirst + k)]) : 0.0f;
      if (panel[static_cast<size_t>(k * kPanelColumns + c)] != right) return false;
    }
  }
  return true;
}

bool packed_columns(const MicroKernels& micro) {
  const std::vector<float> w = Values().some(kPanelColumns * kWidth);
  std::vector<uint16_t> bf16;
  for (const float value : w) bf16.push_back(bf16_from_f32(value));
  return columns_are_right(micro.pack_columns_f32, w, itself) &&
         columns_are_right(micro.pack_columns_f16, halves_of(w), f32_from_f16) &&
         columns_are_right(micro.pack_columns_bf16, bf16, f32_from_bf16);
}

bool taps(const MicroKernels& micro) {
  constexpr size_t kTaps = 3, kWindows = 77;  // four vectors, one, and a part of one
  constexpr int64_t kOffsets[kTaps] = {0, 1, 5};
  Values random;
  const std::vector<float> x = random.some(kWindows + 5 + static_cast<size_t>(kSlack)),
                           weights = random.some(kTaps);
  std::vector<float> sums(kWindows), maxima(kWindows);
  micro.tap_sums(x.data(), kOffsets, weights.data(), kTaps, 0.5f, kWindows, sums.data());
  micro.tap_maxima(x.data(), kOffsets, kTaps, kWindows, maxima.data());
  for (size_t i = 0; i < kWindows; ++i) {
    double sum = 0.5;
    float top = x[i];
    for (size_t t = 0; t < kTaps; ++t) {
      const float value = x[i + static_cast<size_t>(kOffsets[t])];
      sum += double{weights[t]} * double{value};
      top = std::max(top, value);
    }
    if (!near(sums[i], sum, 1e-5) || maxima[i] != top) return false;
  }
  return true;
}

// A tile and some rows, and columns that fill two vectors, one, and a part of one; with a bias onto what y
// holds.
bool window_products(const MicroKernels& micro) {
  constexpr int64_t kRows = 14, kDepth = 5;
  constexpr int64_t kOffsets[kDepth] = {3, 0, 40, 41, 7};
  Values random;
  const std::vector<float> a = random.some(kRows * kDepth), x = random.some(41 + kPanelColumns),
                           bias = random.some(kRows), before = random.some(kRows * kPanelColumns);
  for (const int64_t columns : {kPanelColumns, kPanelColumns - 5, int64_t{3}}) {
    std::vector<float> y = before;
    micro.window_product(a.data(), kDepth, kRows, x.data(), kOffsets, kDepth, true, bias.data(), y.data(),
                         kPanelColumns, columns);
    for (int64_t i = 0; i < kRows * kPanelColumns; ++i) {
      const int64_t row = i / kPanelColumns, column = i % kPanelColumns;
      const auto at = [](const std::vector<float>& values, int64_t place) {
        return double{values[static_cast<size_t>(place)]};
      };
      double sum = at(before, i);
      for (int64_t k = 0; k < kDepth && column < columns; ++k)
        sum += at(a, row * kDepth + k) * at(x, kOffsets[k] + column);
      if (column < columns) sum += at(bias, row);
      if (!near(at(y, i), sum, 1e-5)) return false;
    }
  }
  return true;
}

struct Check {
  std::string_view kernel;
  bool (*right)(const MicroKernels& micro);
};
constexpr Check kChecks[] = {{"products with 4-bit weights", dot_of_4_bits},
                             {"products with 5-bit weights", dot_of_5_bits},
                             {"products with 6-bit weights", dot_of_6_bits},
                             {"products with 8-bit weights", dot_of_8_bits},
                             {"products with 2-bit weights", dot_of_2_bits},
                             {"products with 3-bit weights", dot_of_3_bits},
                             {"products with weights from a table", dot_of_table_entries},
                             {"products with float weights", dot_of_floats},
                             {"attention scores", key_scores},
                             {"attention sums", weighted_sum},
                             {"running softmax", running_softmax},
                             {"conversions", conversions},
                             {"exponentials", exponentials},
                             {"activations", elements},
                             {"normal distributions", gelus},
                             {"arithmetic", arithmetic},
                             {"norms", norms},
                             {"rotations", rotations},
                             {"matrix products", panel_product},
                             {"columns of matrices", packed_columns},
                             {"matrix products in place", rows_product},
                             {"recurrent cells", recurrent_cells},
                             {"reductions", reductions},
                             {"columns and transposed blocks", columns_and_blocks},
                             {"windows", taps},
                             {"products with windows", window_products}};

}  // namespace

std::string_view wrong_kernel(const MicroKernels& micro) {
  for (const Check& check : kChecks) {
    if (!check.right(micro)) return check.kernel;
  }
  return {};
}

Isa best_right(std::span<const Isa> candidates, SelfTest test) {
  for (size_t i = candidates.size(); i-- > 0;) {
    const std::string_view wrong = test(candidates[i]);
    if (wrong.empty()) return candidates[i];
    if (i == 0) {
      fail(ErrorCode::kInternal, "processor",
           "{} kernels compute wrongly here ({}), and there is nothing weaker", isa_name(candidates[i]),
           wrong);
    }
    log(LogLevel::kWarning, "{} kernels compute wrongly on this processor ({}); using {} instead",
        isa_name(candidates[i]), wrong, isa_name(candidates[i - 1]));
  }
  fail(ErrorCode::kInternal, "processor", "no instruction set to choose from");
}

}  // namespace oag::cpu
