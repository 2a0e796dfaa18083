#include "llm/generate/model_logprobs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

namespace oag {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// log softmax in double
std::vector<double> log_softmax(const std::vector<float>& logits) {
  double most = -kInfinity, sum = 0;
  const auto is_number = [](float x) { return x > -kInfinity; };
  for (const float x : logits) most = is_number(x) ? std::max<double>(most, x) : most;
  for (const float x : logits) sum += is_number(x) ? std::exp(x - most) : 0;
  std::vector<double> result;
  for (const float x : logits) result.push_back(is_number(x) ? x - most - std::log(sum) : -kInfinity);
  return result;
}

TEST(ModelLogprobs, AreTheLogSoftmax) {
  std::mt19937 random(2);
  for (const size_t tokens : {1u, 7u, 8u, 300u, 151552u}) {
    for (const float spread : {0.01f, 3.0f, 60.0f}) {
      std::vector<float> logits(tokens);
      std::normal_distribution<float> normal(spread, spread);
      for (float& logit : logits) logit = normal(random);
      const std::vector<double> expected = log_softmax(logits);
      ModelLogprobs logprobs;
      for (int i = 0; i < 3; ++i) {
        const auto id = static_cast<TokenId>(random() % tokens);
        const TokenLogprobs& seen = logprobs.compute(logits, id, 5);
        const double wanted = expected[static_cast<size_t>(id)];
        EXPECT_NEAR(seen.logprob, wanted, 1e-5 + std::abs(wanted) * 1e-6);
        ASSERT_EQ(seen.top.size(), std::min<size_t>(5, tokens));
        std::vector<double> sorted = expected;
        std::partial_sort(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(seen.top.size()),
                          sorted.end(), std::greater<>());
        for (size_t k = 0; k < seen.top.size(); ++k) {
          EXPECT_NEAR(seen.top[k].logprob, sorted[k], 1e-5 + std::abs(sorted[k]) * 1e-6);
          EXPECT_NEAR(seen.top[k].logprob, expected[static_cast<size_t>(seen.top[k].id)],
                      1e-5 + std::abs(sorted[k]) * 1e-6);
        }
      }
    }
  }
}

TEST(ModelLogprobs, OfEqualOnesTheLowerIdComesFirst) {
  ModelLogprobs logprobs;
  const TokenLogprobs& seen = logprobs.compute(std::vector<float>{1, 2, 2, 1}, 3, 3);
  const float low = static_cast<float>(-std::log(2 + 2 * std::exp(1.0)));
  ASSERT_EQ(seen.top.size(), 3u);
  EXPECT_EQ(seen.top[0].id, 1);
  EXPECT_EQ(seen.top[1].id, 2);
  EXPECT_EQ(seen.top[2].id, 0);
  EXPECT_NEAR(seen.logprob, low, 1e-6);
  EXPECT_NEAR(seen.top[2].logprob, low, 1e-6);
}

TEST(ModelLogprobs, RuledOutTokensAreMinusInfinityAndNeverAmongTheBest) {
  ModelLogprobs logprobs;
  const std::vector<float> logits = {0, -kInfinity, std::nanf(""), 0};
  for (const TokenId id : {1, 2, 4}) EXPECT_EQ(logprobs.compute(logits, id, 4).logprob, -kInfinity);
  const TokenLogprobs& seen = logprobs.compute(logits, 3, 4);
  EXPECT_NEAR(seen.logprob, std::log(0.5), 1e-6);
  EXPECT_EQ(seen.top.size(), 2u);
  EXPECT_TRUE(logprobs.compute(logits, 0, 0).top.empty());
}

}  // namespace
}  // namespace oag
