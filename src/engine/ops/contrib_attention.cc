#include "engine/ops/contrib_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "engine/ops/strided.h"

namespace oag {

HeadArray::HeadArray(int64_t batch_count, int64_t head_count, int64_t token_count, int64_t head_width)
    : batch(batch_count),
      heads(head_count),
      tokens(token_count),
      width(head_width),
      values(static_cast<size_t>(element_count(Dims{batch_count, head_count, token_count, head_width}))) {}

HeadArray heads_of_rows(const Tensor& tensor, int64_t batch, int64_t tokens, int64_t row, int64_t column,
                        int64_t heads, int64_t width) {
  HeadArray array(batch, heads, tokens, width);
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t t = 0; t < tokens; ++t) {
      for (int64_t h = 0; h < heads; ++h) {
        load_elements<double>(tensor, (b * tokens + t) * row + column + h * width, 1,
                              std::span(array.at(b, h, t), static_cast<size_t>(width)));
      }
    }
  }
  return array;
}

HeadArray heads_of_array(const Tensor& tensor) {
  HeadArray array(tensor.dim(0), tensor.dim(1), tensor.dim(2), tensor.dim(3));
  load_elements<double>(tensor, 0, 1, array.values);
  return array;
}

void store_heads(const HeadArray& heads, const Tensor& out) {
  store_elements<double>(out, 0, 1, heads.values);
}

void attend(KernelEnv& env, const HeadArray& q, const HeadArray& k, const HeadArray& v,
            const AttentionRule& rule, const Tensor& out) {
  constexpr double kLeast = -std::numeric_limits<double>::infinity();
  const int64_t shared = q.heads / k.heads;
  env.parallel_for(q.batch * q.heads * q.tokens, 2 * k.tokens * (q.width + v.width), [&](int64_t tile, int) {
    const int64_t s = tile % q.tokens, h = tile / q.tokens % q.heads, b = tile / q.tokens / q.heads;
    const double* query = q.at(b, h, s);
    std::vector<double> scores(static_cast<size_t>(k.tokens), kLeast);
    double largest = rule.sink ? rule.sink(h) : kLeast;
    for (int64_t t = 0; t < k.tokens; ++t) {
      if (rule.sees && !rule.sees(b, s, t)) continue;
      const double* key = k.at(b, h / shared, t);
      double score = 0;
      for (int64_t i = 0; i < q.width; ++i) score += query[i] * key[i];
      score *= rule.scale;
      if (rule.softcap > 0) score = rule.softcap * std::tanh(score / rule.softcap);
      if (rule.bias) score += rule.bias(b, h, s, t);
      scores[static_cast<size_t>(t)] = score;
      largest = std::max(largest, score);
    }
    std::vector<double> result(static_cast<size_t>(v.width), 0.0);
    double sum = rule.sink && largest > kLeast ? std::exp(rule.sink(h) - largest) : 0;
    for (int64_t t = 0; t < k.tokens && largest > kLeast; ++t) {
      const double weight = std::exp(scores[static_cast<size_t>(t)] - largest);
      if (weight == 0) continue;
      sum += weight;
      const double* value = v.at(b, h / shared, t);
      for (int64_t i = 0; i < v.width; ++i) result[static_cast<size_t>(i)] += weight * value[i];
    }
    for (double& value : result) value = sum > 0 ? value / sum : 0;
    store_elements<double>(out, ((b * q.tokens + s) * q.heads + h) * v.width, 1, result);
  });
}

void rotate_head(const Tensor& cos, const Tensor& sin, int64_t position, bool interleaved, double* head) {
  const auto half = static_cast<size_t>(cos.dim(1));
  std::vector<double> c(half), s(half);
  load_elements<double>(cos, position * cos.dim(1), 1, c);
  load_elements<double>(sin, position * sin.dim(1), 1, s);
  for (size_t i = 0; i < half; ++i) {
    double& real = head[interleaved ? 2 * i : i];
    double& imaginary = head[interleaved ? 2 * i + 1 : i + half];
    const double a = real, b = imaginary;
    real = c[i] * a - s[i] * b;
    imaginary = s[i] * a + c[i] * b;
  }
}

std::function<double(int64_t, int64_t, int64_t, int64_t)> read_attention_bias(const KernelContext& context,
                                                                              size_t input, Dims wanted) {
  if (!context.has_input(input)) return nullptr;
  const Tensor& tensor = context.input(input);
  if (tensor.rank() != 4 || broadcast_dims(context, tensor.dims(), wanted) != wanted)
    context.refuse("attention_bias {} does not broadcast to {}", to_string(tensor.dims()), to_string(wanted));
  auto values = std::make_shared<std::vector<double>>(static_cast<size_t>(tensor.count()));
  load_elements<double>(tensor, 0, 1, *values);
  const Strides strides = broadcast_strides(tensor.dims(), wanted);
  return [values, strides](int64_t b, int64_t h, int64_t s, int64_t t) {
    return (*values)[static_cast<size_t>(b * strides[0] + h * strides[1] + s * strides[2] + t * strides[3])];
  };
}

}  // namespace oag
