#include "llm/generate/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <tuple>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "llm/generate/token_mask.h"

namespace oag {
namespace {

constexpr int kDraws = 20000;

SamplingOptions plain(float temperature) {
  SamplingOptions options;
  options.temperature = temperature;
  options.top_k = 0;
  options.top_p = 1;
  options.min_p = 0;
  return options;
}

// How often each token is the first of an answer, over many seeds.
std::map<TokenId, double> frequencies(SamplingOptions options, const std::vector<float>& logits,
                                      const std::vector<TokenId>& prompt = {}, int draws = kDraws) {
  std::map<TokenId, double> counts;
  for (int i = 0; i < draws; ++i) {
    options.seed = static_cast<uint64_t>(i);
    counts[Sampler(options, prompt).pick(logits, static_cast<int64_t>(logits.size()))] += 1.0 / draws;
  }
  return counts;
}

// log of probabilities that are easy to check by hand
const std::vector<float> kLogits = {std::log(0.5f), std::log(0.25f), std::log(0.15f), std::log(0.1f)};

TEST(Sampler, GreedyTakesTheFirstOfTheLargest) {
  EXPECT_EQ(Sampler(plain(0), {}).pick(std::vector<float>{1, 3, 3, 2}, 4), 1);
}

TEST(Sampler, NeverPicksPaddingOfTheVocabulary) {
  EXPECT_EQ(Sampler(plain(0), {}).pick(std::vector<float>{1, 2, 9}, 2), 1);
  for (const auto& [id, share] : frequencies(plain(1), {0, 0, 50})) EXPECT_LE(id, 2);
  SamplingOptions options = plain(1);
  for (int i = 0; i < 100; ++i) {
    options.seed = static_cast<uint64_t>(i);
    EXPECT_LT(Sampler(options, {}).pick(std::vector<float>{0, 0, 50}, 2), 2);
  }
}

TEST(Sampler, DrawsFromTheSoftmax) {
  const auto seen = frequencies(plain(1), kLogits);
  EXPECT_NEAR(seen.at(0), 0.5, 0.015);
  EXPECT_NEAR(seen.at(1), 0.25, 0.015);
  EXPECT_NEAR(seen.at(2), 0.15, 0.015);
  EXPECT_NEAR(seen.at(3), 0.1, 0.015);
}

TEST(Sampler, TemperatureSharpens) {
  const auto seen = frequencies(plain(0.5f), kLogits);  // squares: 0.25, 0.0625, 0.0225, 0.01 over 0.345
  EXPECT_NEAR(seen.at(0), 0.25 / 0.345, 0.015);
  EXPECT_NEAR(seen.at(3), 0.01 / 0.345, 0.01);
}

TEST(Sampler, TopKKeepsTheBestK) {
  SamplingOptions options = plain(1);
  options.top_k = 2;
  const auto seen = frequencies(options, kLogits);
  EXPECT_EQ(seen.size(), 2u);
  EXPECT_NEAR(seen.at(0), 2.0 / 3, 0.015);
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesIt) {
  SamplingOptions options = plain(1);
  options.top_p = 0.7f;  // 0.5 is not enough, 0.75 is
  EXPECT_EQ(frequencies(options, kLogits).size(), 2u);
  options.top_p = 0.0f;
  EXPECT_EQ(frequencies(options, kLogits).size(), 1u);
}

TEST(Sampler, TopPIsRightOnALargeFlatVocabulary) {
  SamplingOptions options = plain(1);
  options.top_p = 0.5f;
  const std::vector<float> flat(5000, 0.25f);
  // Ties go to lower ids.
  for (const auto& [id, share] : frequencies(options, flat, {}, 500)) EXPECT_LT(id, 2501);
}

TEST(Sampler, MinPDropsWhatIsFarBelowTheBest) {
  SamplingOptions options = plain(1);
  options.min_p = 0.4f;  // of 0.5: keeps 0.25 and above
  EXPECT_EQ(frequencies(options, kLogits).size(), 2u);
}

TEST(Sampler, FrequencyAndPresenceCountTheAnswerOnly) {
  SamplingOptions options = plain(0);
  options.frequency_penalty = 0.6f;
  Sampler sampler(options, std::vector<TokenId>{0, 0, 0, 0});
  const std::vector<float> logits = {2.0f, 1.0f, 0.0f};
  std::vector<TokenId> picked;
  for (int i = 0; i < 4; ++i) picked.push_back(sampler.pick(logits, 3));
  EXPECT_EQ(picked, (std::vector<TokenId>{0, 0, 1, 0}));  // 2.0, 1.4, then 0.8 < 1.0, then 0.8 > 0.4
  options.frequency_penalty = 0;
  options.presence_penalty = 1.5f;
  Sampler once(options, {});
  picked.clear();
  for (int i = 0; i < 4; ++i) picked.push_back(once.pick(logits, 3));
  EXPECT_EQ(picked, (std::vector<TokenId>{0, 1, 0, 0}));  // 2; then 0.5 < 1; then 0.5 > -0.5 for good
}

TEST(Sampler, RepeatPenaltyCountsThePromptToo) {
  SamplingOptions options = plain(0);
  options.repeat_penalty = 3.0f;
  EXPECT_EQ(Sampler(options, std::vector<TokenId>{0}).pick(std::vector<float>{2.0f, 1.0f}, 2), 1);  // 2/3 < 1
  EXPECT_EQ(Sampler(options, std::vector<TokenId>{0}).pick(std::vector<float>{-1.0f, -2.0f}, 2),
            1);  // -3 < -2
}

TEST(Sampler, TheSameSeedGivesTheSameTokens) {
  SamplingOptions options;
  options.seed = 42;
  options.temperature = 1.5f;
  const auto run = [&] {
    Sampler sampler(options, {});
    std::vector<TokenId> picked;
    for (int i = 0; i < 50; ++i) picked.push_back(sampler.pick(kLogits, 4));
    return picked;
  };
  EXPECT_EQ(run(), run());
  const auto first = run();
  options.seed = 43;
  EXPECT_NE(run(), first);
}

// The smallest float that is not 0 turns every difference into infinity.
TEST(Sampler, ATinyTemperaturePicksTheMostLikely) {
  for (const float temperature : {1e-3f, 1e-30f, 1e-38f, 1e-45f}) {
    for (const float min_p : {0.0f, 0.05f}) {
      SamplingOptions options = plain(temperature);
      options.min_p = min_p;
      options.top_p = 0.9f;
      EXPECT_EQ(Sampler(options, {}).pick(std::vector<float>{3, 17, 20, 19.5f, -2}, 5), 2) << temperature;
      EXPECT_EQ(Sampler(options, {}).pick(std::vector<float>{-9, -7, -3, -2, -8}, 5), 3) << temperature;
    }
  }
}

TEST(Sampler, NeverPicksWhatIsNotANumber) {
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  SamplingOptions penalized = plain(0);
  penalized.presence_penalty = 0.1f;
  SamplingOptions usual;
  for (const SamplingOptions& options : {plain(0), plain(1), penalized, usual}) {
    for (const std::vector<float>& logits :
         {std::vector<float>{nan, 1, nan}, {nan, 1, -inf}, {-inf, -50, nan}, {nan, inf, 2}}) {
      EXPECT_EQ(Sampler(options, {}).pick(logits, 3), 1);
    }
  }
}

TEST(Sampler, SaysWhenNoTokenCanBePicked) {
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  for (const float temperature : {0.0f, 1.0f}) {
    try {
      Sampler(plain(temperature), {}).pick(std::vector<float>{nan, -inf, nan, 5}, 3);
      ADD_FAILURE() << "a token was picked";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
      EXPECT_STREQ(error.what(),
                   "logits: all are NaN or -inf, so there is no next token; the model file may be damaged");
    }
  }
}

TEST(Sampler, RefusesOptionsOutOfRange) {
  const auto refused = [](auto&& change) {
    SamplingOptions options;
    change(options);
    EXPECT_THROW(options.validate(), Error);
  };
  refused([](SamplingOptions& o) { o.temperature = -1; });
  refused([](SamplingOptions& o) { o.temperature = std::nanf(""); });
  refused([](SamplingOptions& o) { o.top_p = 1.5f; });
  refused([](SamplingOptions& o) { o.min_p = -0.1f; });
  refused([](SamplingOptions& o) { o.top_k = -3; });
  refused([](SamplingOptions& o) { o.repeat_penalty = 0; });
  refused([](SamplingOptions& o) { o.logit_bias = {{1, std::nanf("")}}; });
  refused([](SamplingOptions& o) { o.bad_words = {{1}, {}}; });
}

// What RankedLinear gives for a request, worked out from a sort.
struct RankedRow {
  std::vector<float> logits;
  std::vector<TokenId> ids;
};
RankedRow ranked_row(const std::vector<float>& logits, const RankRequest& request, size_t places) {
  std::vector<TokenId> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto at = [&](TokenId id) { return logits[static_cast<size_t>(id)]; };
  std::sort(order.begin(), order.end(),
            [&](TokenId a, TokenId b) { return at(a) > at(b) || (at(a) == at(b) && a < b); });
  RankedRow row{std::vector<float>(places, -std::numeric_limits<float>::infinity()),
                std::vector<TokenId>(places, -1)};
  for (size_t i = 0; i < static_cast<size_t>(request.count); ++i) {
    if (static_cast<double>(at(order[i])) < static_cast<double>(at(order[0])) - request.margin) break;
    row.logits[i] = at(order[i]);
    row.ids[i] = order[i];
  }
  return row;
}

TEST(Sampler, TheBestLogitsGiveTheTokensThatAllLogitsGive) {
  std::mt19937 random(3);
  for (const auto& [temperature, top_k, top_p, min_p] : std::vector<std::tuple<float, int, float, float>>{
           {0, 0, 1, 0}, {0.7f, 40, 0.95f, 0.05f}, {1.5f, 64, 0.9f, 0}, {1, 1, 1, 0}, {3, 20, 1, 0.3f}}) {
    SamplingOptions options;
    options.temperature = temperature, options.top_k = top_k, options.top_p = top_p, options.min_p = min_p;
    options.seed = 7;
    Sampler all(options, {}), best(options, {});
    const RankRequest request = best.request(64);
    ASSERT_GT(request.count, 0);
    for (int i = 0; i < 300; ++i) {
      std::vector<float> logits(500);
      // In coarse steps, so that many are equal; some rows on a large offset, where floats are far apart.
      for (float& logit : logits) logit = static_cast<float>(random() % 64) / 4 + (i % 3 == 0 ? 3e5f : 0.0f);
      const RankedRow row = ranked_row(logits, request, 64);
      ASSERT_EQ(best.pick_ranked(row.logits, row.ids), all.pick(logits, 500)) << temperature << " " << i;
    }
  }
}

TEST(Sampler, AsksForAllLogitsWhereTheBestAreNotEnough) {
  SamplingOptions options;
  EXPECT_EQ(Sampler(options, {}).request(64).count, 40);
  EXPECT_EQ(Sampler(options, {}).request(39).count, 0);
  options.top_k = 0;
  EXPECT_EQ(Sampler(options, {}).request(64).count, 0);
  options.temperature = 0;
  EXPECT_EQ(Sampler(options, {}).request(64).count, 1);
  for (const auto& change : std::vector<void (*)(SamplingOptions&)>{
           [](SamplingOptions& o) { o.repeat_penalty = 1.1f; }, [](SamplingOptions& o) { o.allowed = {1}; },
           [](SamplingOptions& o) { o.logit_bias = {{1, 2.0f}}; },
           [](SamplingOptions& o) { o.bad_words = {{1, 2}}; }}) {
    SamplingOptions changed = options;
    change(changed);
    EXPECT_EQ(Sampler(changed, {}).request(64).count, 0);
  }
}

// Draws over a whole vocabulary, where weights are summed in blocks.
TEST(Sampler, DrawsFromALargeVocabularyByItsProbabilities) {
  std::vector<float> logits(1000, 0.0f);
  logits[700] = std::log(1000.0f);  // half of the mass with the other 999
  const auto seen = frequencies(plain(1), logits);
  EXPECT_NEAR(seen.at(700), 1000.0 / 1999, 0.015);
  double low = 0;
  for (const auto& [id, share] : seen) low += id < 500 ? share : 0;
  EXPECT_NEAR(low, 500.0 / 1999, 0.015);
}

TEST(Sampler, BiasIsAddedToALogit) {
  SamplingOptions options = plain(1);
  options.logit_bias = {{3, std::log(4.0f)}, {0, -200.0f}, {3, std::log(2.0f)}};  // 0.1 becomes 0.8
  const auto seen = frequencies(options, kLogits);
  EXPECT_FALSE(seen.contains(0));
  EXPECT_NEAR(seen.at(3), 0.8 / 1.2, 0.015);
  EXPECT_NEAR(seen.at(1), 0.25 / 1.2, 0.015);
}

TEST(Sampler, PicksAllowedTokensOnly) {
  for (const float temperature : {0.0f, 1.0f}) {
    SamplingOptions options = plain(temperature);
    options.allowed = {3, 1};
    for (const auto& [id, share] : frequencies(options, kLogits, {}, 1000)) EXPECT_EQ(id % 2, 1);
    // A bias does not bring in what is not allowed.
    options.logit_bias = {{0, 100.0f}};
    for (const auto& [id, share] : frequencies(options, kLogits, {}, 1000)) EXPECT_EQ(id % 2, 1);
  }
}

TEST(Sampler, AMaskAllowsBesideTheAllowedIdsWhatBothHold) {
  const std::vector<TokenId> from_mask = {0, 2, 3};
  const std::vector<uint32_t> mask = mask_of(from_mask);
  SamplingOptions options = plain(0);
  const auto pick = [&](const PickLimits& limits) { return Sampler(options, {}).pick(kLogits, 4, limits); };
  EXPECT_EQ(pick({}), 0);
  EXPECT_EQ(pick({mask}), 0);
  const std::vector<TokenId> barred = {0};
  EXPECT_EQ(pick({mask, barred}), 2);
  EXPECT_EQ(pick({{}, barred}), 1);
  options.allowed = {1, 3};
  EXPECT_EQ(pick({mask}), 3);
  options.logit_bias = {{1, 100.0f}};
  EXPECT_EQ(pick({mask, barred}), 3);
}

TEST(Sampler, SaysWhenMasksLeaveNoToken) {
  SamplingOptions options = plain(0);
  options.allowed = {1};
  options.bad_words = {{1}};
  try {
    Sampler(options, {}).pick(kLogits, 4);
    ADD_FAILURE() << "a token was picked";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  }
}

TEST(Sampler, NeverCompletesABadWordThatThePromptBegins) {
  SamplingOptions options = plain(0);
  options.bad_words = {{7, 8, 0}, {9, 8, 1}};
  EXPECT_EQ(Sampler(options, std::vector<TokenId>{7, 8}).pick(kLogits, 4), 1);
  EXPECT_EQ(Sampler(options, std::vector<TokenId>{8}).pick(kLogits, 4), 0);
  Sampler counted(options, std::vector<TokenId>{7});
  counted.count(8);
  EXPECT_EQ(counted.pick(kLogits, 4), 1);
}

TEST(Sampler, ATokenThatWasPutInCountsForPenalties) {
  SamplingOptions options = plain(0);
  options.presence_penalty = 1.0f;
  Sampler sampler(options, {});
  sampler.count(0);
  EXPECT_EQ(sampler.pick(kLogits, 4), 1);
}

// The generator of tools/goldens/make_sampling_cases.py.
std::vector<float> made_up_logits(uint32_t state, size_t count) {
  std::vector<float> logits;
  for (size_t i = 0; i < count; ++i) {
    state = state * 1664525 + 1013904223;
    logits.push_back((static_cast<float>((state >> 16) % 128) - 64.0f) / 8.0f);
  }
  return logits;
}

TEST(Sampler, PicksWhatTransformersProcessorsLeave) {
  const auto file = std::filesystem::path(OAG_SOURCE_DIR) / "tests" / "data" / "sampling" / "cases.json";
  const Json data = parse_json(read_file(file), "cases.json");
  const auto vocab = data.at("vocab").get<size_t>();
  const std::vector<TokenId> end = {data.at("end").get<TokenId>()};
  for (const Json& item : data.at("cases")) {
    SamplingOptions options = plain(0);
    const Json none = Json::array();
    for (const Json& bias : item.value("logit_bias", none))
      options.logit_bias.emplace_back(bias.at(0).get<TokenId>(), bias.at(1).get<float>());
    options.repeat_penalty = item.value("repeat_penalty", 1.0f);
    options.bad_words = item.value("bad_words", std::vector<std::vector<TokenId>>{});
    Sampler sampler(options, item.at("prompt").get<std::vector<TokenId>>());
    std::vector<TokenId> picked;
    for (uint32_t step = 0; step < 40; ++step) {
      PickLimits limits;
      if (step < item.value("min_tokens", 0u)) limits.barred = end;
      const auto logits = made_up_logits(item.at("seed").get<uint32_t>() + step % 5, vocab);
      picked.push_back(sampler.pick(logits, static_cast<int64_t>(vocab), limits));
    }
    EXPECT_EQ(picked, item.at("tokens").get<std::vector<TokenId>>()) << item.dump();
  }
}

TEST(Sampler, RefusesIdsThatTheVocabularyLacks) {
  const auto refused = [](auto&& change) {
    SamplingOptions options;
    change(options);
    options.validate();
    EXPECT_THROW(options.validate_ids(10), Error);
  };
  refused([](SamplingOptions& o) { o.logit_bias = {{10, 1.0f}}; });
  refused([](SamplingOptions& o) { o.allowed = {3, -1}; });
  refused([](SamplingOptions& o) { o.bad_words = {{1, 2}, {1, 10}}; });
  SamplingOptions options;
  options.logit_bias = {{9, 1.0f}}, options.allowed = {0, 9}, options.bad_words = {{9, 9}};
  EXPECT_NO_THROW(options.validate_ids(10));
}

}  // namespace
}  // namespace oag
