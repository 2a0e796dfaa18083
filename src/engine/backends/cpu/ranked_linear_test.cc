#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/backends/cpu/kernel_runner.h"

namespace oag::cpu {
namespace {

constexpr float kAll = std::numeric_limits<float>::infinity();

class RankedLinearOnIsa : public testing::TestWithParam<Isa> {};
INSTANTIATE_TEST_SUITE_P(EveryIsa, RankedLinearOnIsa, testing::ValuesIn(available_isas()),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

struct Wanted {
  std::vector<int32_t> counts;
  std::vector<float> margins;
  int64_t most = 64;
  int64_t limit = -1;  // all
};

// Logits of `x`, the best of `ranked`.
OperatorCase ranked_linear(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& ranked,
                           const Wanted& wanted) {
  const auto rows = static_cast<int64_t>(wanted.counts.size());
  Attributes attributes = {{"most", wanted.most}};
  if (wanted.limit >= 0) attributes.emplace("limit", wanted.limit);
  return {"oag",
          "RankedLinear",
          attributes,
          {x, w, bias, ranked, Tensor::of<int32_t>(DType::kI32, {rows}, wanted.counts),
           Tensor::of<float>(DType::kF32, {rows}, wanted.margins)},
          3,
          {1}};
}

// What the plain product gives, sorted: the oracle of a ranking.
std::vector<std::pair<float, int32_t>> sorted_row(std::span<const float> logits, int64_t limit) {
  std::vector<std::pair<float, int32_t>> all;
  for (size_t i = 0; i < logits.size() && static_cast<int64_t>(i) < limit; ++i) {
    if (!std::isnan(logits[i]) && logits[i] != -kAll) all.emplace_back(logits[i], static_cast<int32_t>(i));
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.first > b.first || (a.first == b.first && a.second < b.second);
  });
  return all;
}

void expect_ranking_of(const Tensor& logits, const Wanted& wanted, const std::vector<Tensor>& outputs,
                       const std::string& what) {
  const auto most = static_cast<size_t>(wanted.most), vocab = static_cast<size_t>(logits.dim(1));
  for (size_t row = 0; row < wanted.counts.size(); ++row) {
    const auto oracle = sorted_row(logits.values<float>().subspan(row * vocab, vocab),
                                   wanted.limit < 0 ? logits.dim(1) : wanted.limit);
    for (size_t i = 0; i < most; ++i) {
      const bool in = i < oracle.size() && static_cast<int32_t>(i) < wanted.counts[row] &&
                      !(static_cast<double>(oracle[i].first) <
                        static_cast<double>(oracle[0].first) - wanted.margins[row]);
      ASSERT_EQ(outputs[2].values<int32_t>()[row * most + i], in ? oracle[i].second : -1)
          << what << " row " << row << " place " << i;
      ASSERT_EQ(outputs[1].values<float>()[row * most + i], in ? oracle[i].first : -kAll)
          << what << " row " << row << " place " << i;
    }
  }
}

TEST_P(RankedLinearOnIsa, RanksTheLogitsThatLinearGivesBitForBit) {
  for (const DType dtype :
       {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_1, DType::kQ6_K}) {
    const int64_t inputs = 256, outputs = 1531;
    const Tensor w = random_weights(dtype, outputs, inputs, 3);
    for (const bool with_bias : {false, true}) {
      const Tensor bias = with_bias ? random_f32({outputs}, 4) : Tensor();
      const Wanted wanted{{1, 40, 64, 7, 0, 1, 64, 2, 3, 64, 5},
                          {kAll, kAll, kAll, 0.5f, kAll, 0.0f, 3.0f, kAll, kAll, 0.1f, kAll},
                          64,
                          1500};
      const auto rows = static_cast<int64_t>(wanted.counts.size());
      const Tensor x = random_f32({3, inputs}, 5), ranked = random_f32({rows, inputs}, 6);
      for (const int threads : {1, 3}) {
        const auto device = make_device(GetParam(), threads);
        const KernelRunner runner(device, ranked_linear(x, w, bias, ranked, wanted));
        ASSERT_TRUE(runner.accepted()) << runner.refusals();
        const std::vector<Tensor> outputs_seen = runner.run();
        const auto linear = [&](const Tensor& rows_of_x) {
          return KernelRunner(device, {"oag", "Linear", {}, {rows_of_x, w, bias}, 1, {1}}).run()[0];
        };
        const Tensor y = linear(x);
        ASSERT_EQ(std::memcmp(outputs_seen[0].data(), y.data(), y.size_bytes()), 0) << dtype_name(dtype);
        expect_ranking_of(linear(ranked), wanted, outputs_seen, std::string(dtype_name(dtype)));
      }
    }
  }
}

// More rows than a chunk has, and rows that differ in their lower bits alone.
TEST_P(RankedLinearOnIsa, RanksLarge8BitMatricesAsLinearDoes) {
  const int64_t inputs = 96, outputs = 4500;
  const Tensor noise = random_weights(DType::kQ8_0, outputs, inputs, 3), alike = copy_of(noise);
  for (size_t at = 102; at < alike.size_bytes(); ++at) {
    const bool scale = at % 34 < 2;
    const auto first = alike.data()[at % 102];
    alike.data()[at] = scale ? first : (first & std::byte{0xf8}) | (alike.data()[at] & std::byte{7});
  }
  for (const Tensor& w : {noise, alike}) {
    const Wanted wanted{{1, 40, 64, 1, 7, 0, 1, 2, 40, 64, 3},
                        {0, kAll, 3.0f, kAll, 0.5f, kAll, 0, kAll, 1.0f, kAll, 100.0f},
                        64,
                        4400};
    const auto rows = static_cast<int64_t>(wanted.counts.size());
    const Tensor x = random_f32({3, inputs}, 5), ranked = random_f32({rows, inputs}, 6);
    // One token that is like a row, so that it stands out; one of zeros.
    const std::vector<float> like = [&] {
      std::vector<float> all(static_cast<size_t>(outputs * inputs));
      decode_blocks(DType::kQ8_0, w.bytes(), all);
      return std::vector<float>(all.begin() + 77 * inputs, all.begin() + 78 * inputs);
    }();
    std::copy(like.begin(), like.end(), ranked.values<float>().begin());
    std::fill_n(ranked.values<float>().begin() + 4 * inputs, inputs, 0.0f);
    for (const int threads : {1, 3}) {
      const auto device = make_device(GetParam(), threads);
      const auto linear = [&](const Tensor& rows_of_x) {
        return KernelRunner(device, {"oag", "Linear", {}, {rows_of_x, w}, 1, {1}}).run()[0];
      };
      const auto seen = KernelRunner(device, ranked_linear(x, w, {}, ranked, wanted)).run();
      const Tensor y = linear(x);
      ASSERT_EQ(std::memcmp(seen[0].data(), y.data(), y.size_bytes()), 0);
      expect_ranking_of(linear(ranked), wanted, seen, &w == &noise ? "noise" : "alike");
    }
  }
}

TEST_P(RankedLinearOnIsa, OfEqualLogitsTheLowerIdsAreTaken) {
  const int64_t inputs = 64, outputs = 2000;
  const Tensor w = Tensor::host(DType::kQ8_0, {outputs, inputs});
  const Tensor row = random_weights(DType::kQ8_0, 1, inputs, 3);
  for (int64_t o = 0; o < outputs; ++o)
    std::memcpy(w.data() + o * static_cast<int64_t>(row.size_bytes()), row.data(), row.size_bytes());
  const Wanted wanted{{5}, {0.0f}};
  const Tensor none = Tensor::host(DType::kF32, {0, inputs});
  const auto seen =
      KernelRunner(make_device(GetParam(), 3), ranked_linear(none, w, {}, random_f32({1, inputs}, 4), wanted))
          .run();
  for (int32_t i = 0; i < 5; ++i) EXPECT_EQ(seen[2].values<int32_t>()[static_cast<size_t>(i)], i);
}

TEST_P(RankedLinearOnIsa, ValuesThatAreNoNumbersAreNotRanked) {
  const Tensor w = random_weights(DType::kQ8_0, 100, 64, 3);
  const Tensor x = random_f32({2, 64}, 4), none = Tensor::host(DType::kF32, {0, 64});
  x.values<float>()[5] = NAN;
  const auto seen =
      KernelRunner(make_device(GetParam(), 2), ranked_linear(none, w, {}, x, {{3, 3}, {kAll, kAll}})).run();
  EXPECT_EQ(seen[2].values<int32_t>()[0], -1);
  EXPECT_GE(seen[2].values<int32_t>()[64], 0);
}

TEST(RankedLinear, TheReferenceRanksAsItsDefinitionSays) {
  const Tensor w = random_weights(DType::kF32, 300, 32, 3), none = Tensor::host(DType::kF32, {0, 32});
  const Tensor ranked = random_f32({2, 32}, 4);
  const Wanted wanted{{10, 3}, {0.7f, kAll}, 16, 250};
  const auto device = make_device(available_isas().front(), 1);
  const KernelRunner linear(device, {"oag", "Linear", {}, {ranked, w}, 1, {1}});
  expect_ranking_of(linear.reference()[0], wanted,
                    KernelRunner(device, ranked_linear(none, w, {}, ranked, wanted)).reference(),
                    "reference");
}

}  // namespace
}  // namespace oag::cpu
