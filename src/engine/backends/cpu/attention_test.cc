// Attention against sums in double, on every instruction set, and what it refuses.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "engine/backends/cpu/kernel_runner.h"

namespace oag::cpu {
namespace {

class StreamedAttentionOnIsa : public testing::TestWithParam<Isa> {};
INSTANTIATE_TEST_SUITE_P(EveryIsa, StreamedAttentionOnIsa, testing::ValuesIn(available_isas()),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

struct Sizes {
  int64_t batch, heads, key_heads, queries, keys, size, value_size;
};

// [batch, heads, tokens, size] in double: the definition, one query after the other. `bias` is what is added
// to the scores.
template <typename Bias>
void expect_attention(const Tensor& y, const Sizes& s, const Tensor& q, const Tensor& k, const Tensor& v,
                      double scale, Bias bias) {
  const auto at = [](int64_t b, int64_t head, int64_t heads, int64_t token, int64_t tokens, int64_t size) {
    return static_cast<size_t>(((b * heads + head) * tokens + token) * size);
  };
  for (int64_t b = 0; b < s.batch; ++b) {
    for (int64_t h = 0; h < s.heads; ++h) {
      const int64_t key_head = h / (s.heads / s.key_heads);
      for (int64_t i = 0; i < s.queries; ++i) {
        std::vector<double> p(static_cast<size_t>(s.keys));
        double top = -std::numeric_limits<double>::infinity(), total = 0;
        for (int64_t j = 0; j < s.keys; ++j) {
          double dot = 0;
          for (int64_t c = 0; c < s.size; ++c)
            dot +=
                double{q.values<float>()[at(b, h, s.heads, i, s.queries, s.size) + static_cast<size_t>(c)]} *
                double{k.values<float>()[at(b, key_head, s.key_heads, j, s.keys, s.size) +
                                         static_cast<size_t>(c)]};
          p[static_cast<size_t>(j)] = dot * scale + bias(b, h, i, j);
          top = std::max(top, p[static_cast<size_t>(j)]);
        }
        for (double& value : p) {
          value = std::isinf(top) ? 0.0 : std::exp(value - top);
          total += value;
        }
        for (int64_t c = 0; c < s.value_size; ++c) {
          double sum = 0;
          for (int64_t j = 0; j < s.keys; ++j)
            sum += p[static_cast<size_t>(j)] *
                   v.values<float>()[at(b, key_head, s.key_heads, j, s.keys, s.value_size) +
                                     static_cast<size_t>(c)];
          const float got =
              y.values<float>()[at(b, h, s.heads, i, s.queries, s.value_size) + static_cast<size_t>(c)];
          ASSERT_NEAR(got, total == 0 ? 0 : sum / total, 3e-6)
              << "batch " << b << " head " << h << " query " << i << " of " << s.queries << "x" << s.keys;
        }
      }
    }
  }
}

double no_bias(int64_t, int64_t, int64_t, int64_t) {
  return 0;
}
double causal_bias(int64_t, int64_t, int64_t query, int64_t key) {
  return key <= query ? 0 : -std::numeric_limits<double>::infinity();
}

TEST_P(StreamedAttentionOnIsa, MatchesSumsInDoubleForEveryShape) {
  const auto device = make_device(GetParam(), 2);
  for (const Sizes& s :
       {Sizes{1, 1, 1, 1, 1, 1, 1}, Sizes{2, 4, 2, 5, 7, 32, 32}, Sizes{1, 2, 1, 97, 300, 80, 40},
        Sizes{1, 1, 1, 193, 513, 128, 128}, Sizes{1, 3, 3, 13, 257, 256, 64}, Sizes{1, 1, 1, 5, 9, 640, 520},
        Sizes{2, 2, 2, 40, 64, 72, 33}}) {
    const Tensor q = random_f32({s.batch, s.heads, s.queries, s.size}, 1, -2, 2),
                 k = random_f32({s.batch, s.key_heads, s.keys, s.size}, 2, -2, 2),
                 v = random_f32({s.batch, s.key_heads, s.keys, s.value_size}, 3);
    const float scale = 0.9f / std::sqrt(static_cast<float>(s.size));
    for (const int64_t causal : {0, 1}) {
      const OperatorCase operation{"", "Attention", {{"is_causal", causal}, {"scale", scale}}, {q, k, v}};
      const KernelRunner runner(device, operation);
      ASSERT_TRUE(runner.accepted()) << runner.refusals();
      const Tensor y = runner.run()[0];
      ASSERT_EQ(y.dims(), (Dims{s.batch, s.heads, s.queries, s.value_size}));
      expect_attention(y, s, q, k, v, double{scale}, causal ? causal_bias : no_bias);
      const Tensor alone = KernelRunner(make_device(GetParam(), 1), operation).run()[0];
      ASSERT_EQ(std::memcmp(y.data(), alone.data(), y.size_bytes()), 0);
    }
  }
}

TEST_P(StreamedAttentionOnIsa, HeadsInsideTheLastDimGiveTheSame) {
  const auto device = make_device(GetParam(), 2);
  constexpr int64_t kTokens = 70, kHeads = 3, kSize = 48;
  const Tensor inside[] = {random_f32({1, kTokens, kHeads * kSize}, 1),
                           random_f32({1, kTokens, kHeads * kSize}, 2),
                           random_f32({1, kTokens, kHeads * kSize}, 3)};
  std::vector<Tensor> outside;
  for (const Tensor& from : inside) {
    const Tensor& to = outside.emplace_back(Tensor::host(DType::kF32, {1, kHeads, kTokens, kSize}));
    for (int64_t t = 0; t < kTokens; ++t) {
      for (int64_t h = 0; h < kHeads; ++h)
        std::copy_n(from.values<float>().data() + (t * kHeads + h) * kSize, kSize,
                    to.values<float>().data() + (h * kTokens + t) * kSize);
    }
  }
  const Tensor y = KernelRunner(device, {"",
                                         "Attention",
                                         {{"q_num_heads", kHeads}, {"kv_num_heads", kHeads}},
                                         {inside[0], inside[1], inside[2]}})
                       .run()[0];
  const Tensor same = KernelRunner(device, {"", "Attention", {}, outside}).run()[0];
  for (int64_t t = 0; t < kTokens; ++t) {
    for (int64_t h = 0; h < kHeads; ++h)
      ASSERT_EQ(std::memcmp(y.values<float>().data() + (t * kHeads + h) * kSize,
                            same.values<float>().data() + (h * kTokens + t) * kSize, kSize * sizeof(float)),
                0);
  }
}

TEST_P(StreamedAttentionOnIsa, MasksHideKeysOrAddToScores) {
  const auto device = make_device(GetParam(), 2);
  const Sizes s = {2, 2, 1, 20, 530, 32, 32};
  const Tensor q = random_f32({s.batch, s.heads, s.queries, s.size}, 1),
               k = random_f32({s.batch, s.key_heads, s.keys, s.size}, 2),
               v = random_f32({s.batch, s.key_heads, s.keys, s.value_size}, 3);
  constexpr double kMasked = -std::numeric_limits<double>::infinity();
  // Query 3 sees nothing, query 4 no key of the first 256, query 5 none of the last.
  const Tensor shown = Tensor::host(DType::kBool, {s.queries, s.keys});
  const auto shows = [](int64_t query, int64_t key) {
    if (query == 3) return false;
    if (query == 4) return key >= 256;
    if (query == 5) return key < 200;
    return (query * 7 + key) % 3 != 0;
  };
  for (int64_t i = 0; i < s.queries; ++i) {
    for (int64_t j = 0; j < s.keys; ++j) shown.data()[i * s.keys + j] = static_cast<std::byte>(shows(i, j));
  }
  const Tensor added = random_f32({s.batch, 1, s.queries, s.keys - 9}, 4, -3, 3);  // the last 9 are masked
  added.values<float>()[7] = -std::numeric_limits<float>::infinity();
  const double scale = static_cast<double>(static_cast<float>(1 / std::sqrt(32.0)));
  for (const int64_t causal : {0, 1}) {
    const Tensor by_bool =
        KernelRunner(device, {"", "Attention", {{"is_causal", causal}}, {q, k, v, shown}}).run()[0];
    expect_attention(by_bool, s, q, k, v, scale, [&](int64_t, int64_t, int64_t i, int64_t j) {
      return shows(i, j) && (causal == 0 || j <= i) ? 0 : kMasked;
    });
    const Tensor by_float =
        KernelRunner(device, {"", "Attention", {{"is_causal", causal}}, {q, k, v, added}}).run()[0];
    expect_attention(by_float, s, q, k, v, scale, [&](int64_t b, int64_t, int64_t i, int64_t j) {
      if (j >= s.keys - 9 || (causal != 0 && j > i)) return kMasked;
      return double{added.values<float>()[static_cast<size_t>((b * s.queries + i) * (s.keys - 9) + j)]};
    });
  }
}

TEST_P(StreamedAttentionOnIsa, AQueryDoesNotDependOnThoseBesideIt) {
  const auto device = make_device(GetParam(), 2);
  const Tensor q = random_f32({1, 1, 150, 64}, 1), k = random_f32({1, 1, 400, 64}, 2),
               v = random_f32({1, 1, 400, 64}, 3);
  const Tensor whole = KernelRunner(device, {"", "Attention", {}, {q, k, v}}).run()[0];
  for (const int64_t first : {0, 5, 149}) {
    const Tensor one(DType::kF32, {1, 1, 1, 64}, q.buffer(), static_cast<size_t>(first) * 64 * sizeof(float));
    const Tensor y = KernelRunner(device, {"", "Attention", {}, {one, k, v}}).run()[0];
    EXPECT_EQ(std::memcmp(y.data(), whole.values<float>().data() + first * 64, y.size_bytes()), 0) << first;
  }
}

TEST(Attention, RefusesWithAReasonWhatItDoesNotTake) {
  const auto device = make_device(available_isas().front(), 1);
  const Tensor q = random_f32({1, 2, 4, 8}, 1);
  const auto refusals = [&](Attributes attributes, std::vector<Tensor> inputs, size_t outputs = 1) {
    return KernelRunner(device, {"", "Attention", std::move(attributes), std::move(inputs), outputs})
        .refusals();
  };
  EXPECT_NE(refusals({{"softcap", 2.0f}}, {q, q, q}).find("softcap"), std::string::npos);
  EXPECT_NE(refusals({{"left_window_size", int64_t{1}}}, {q, q, q}).find("window"), std::string::npos);
  EXPECT_NE(refusals({}, {q, q, q, Tensor(), q, q}).find("past"), std::string::npos);
  EXPECT_NE(refusals({}, {q, q, q}, 2).find("wanted"), std::string::npos);
  EXPECT_NE(refusals({}, {q, q, q, Tensor::host(DType::kI64, {4, 4})}).find("mask"), std::string::npos);
  EXPECT_EQ(refusals({}, {q, q, q}), "");
}

TEST(Attention, CancelStopsItSoon) {
  const auto device = make_device(available_isas().back(), 2);
  const Tensor q = random_f32({1, 8, 6000, 128}, 1);
  const KernelRunner runner(device, {"", "Attention", {}, {q, q, q}});
  const double delay_ms = median_cancel_delay_ms(runner);
#if defined(__x86_64__)  // an emulated processor says nothing about time
  EXPECT_LT(delay_ms, cancel_limit_ms());
#else
  EXPECT_GT(delay_ms, 0.0);
#endif
}

}  // namespace
}  // namespace oag::cpu
