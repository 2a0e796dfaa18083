// What many requests at once must not change, and how quickly a cancelled one is gone.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <thread>

#include "api/backends.h"
#include "base/clock.h"
#include "llm/generate/language_model.h"
#include "tests/golden/model_probe.h"
#include "tests/golden/smollm2_model.h"

namespace oag::test {
namespace {

constexpr const char* kPrompts[] = {
    "The capital of France is",
    "def fibonacci(n):\n",
    "Once upon a time there was a small dragon who",
    "1, 2, 3, 5, 8,",
    "The three laws of thermodynamics are",
    "Dear Sir or Madam,\n\nI am writing to",
    "<|im_start|>user\nName a colour.<|im_end|>\n<|im_start|>assistant\n",
    "O Romeo, Romeo! wherefore art thou",
};

std::vector<TokenId> ids_of(const char* prompt) {
  return smollm2().tokenizer->encode(prompt, {.parse_special = true, .add_special = false});
}

// `count` tokens of prose.
std::vector<TokenId> long_prompt(size_t count) {
  std::vector<TokenId> ids = smollm2().tokenizer->encode(
      read_file(smollm2_data("../text/us_constitution.txt")), {.parse_special = false, .add_special = false});
  ids.resize(count);
  return ids;
}

std::unique_ptr<LanguageModel> make_model(int64_t context_tokens, int64_t sequences) {
  LanguageModelOptions options;
  options.runner.context_tokens = context_tokens;
  options.runner.cache_tokens = context_tokens * sequences;
  options.max_sequences = sequences;
  return std::make_unique<LanguageModel>(std::make_shared<Runtime>(RuntimeOptions{default_backends(), "", 2}),
                                         smollm2(), options);
}

GenerationRequest greedy(std::vector<TokenId> prompt, int64_t max_tokens) {
  GenerationRequest request;
  request.prompt = std::move(prompt);
  request.max_tokens = max_tokens;
  request.sampling.temperature = 0;
  request.ignore_end = true;
  return request;
}

class SmolLm2Serving : public ::testing::Test {
 protected:
  void SetUp() override { OAG_NEED_SMOLLM2(); }
};

TEST_F(SmolLm2Serving, LogitsAloneEqualThoseInABatchOfEightBitForBit) {
  constexpr int64_t kAnswer = 12;
  const auto rows_of = [&](std::span<Lane> lanes, int threads) {
    std::vector<float> rows;
    lanes[0].on_logits = [&](int64_t, std::span<const float> logits) {
      rows.insert(rows.end(), logits.begin(), logits.end());
    };
    ModelProbe(smollm2(), {.threads = threads, .lanes = 8, .context_tokens = 128}).run(lanes);
    return rows;
  };
  Lane alone;
  alone.prompt = ids_of(kPrompts[6]);
  alone.answer_tokens = kAnswer;
  const std::vector<float> expected = rows_of(std::span(&alone, 1), 2);
  std::vector<Lane> batch(8);
  for (size_t i = 0; i < batch.size(); ++i) {
    batch[i].prompt = i == 0 ? alone.prompt : ids_of(kPrompts[i - 1]);
    batch[i].answer_tokens = kAnswer;
    batch[i].chunk = static_cast<int64_t>(1 + i % 5);  // some read their prompts while others decode
    batch[i].starts_at_step = static_cast<int64_t>((3 * i) % 7);
  }
  const std::vector<float> rows = rows_of(batch, 2);
  ASSERT_EQ(rows.size(), expected.size());
  EXPECT_EQ(std::memcmp(rows.data(), expected.data(), rows.size() * sizeof(float)), 0)
      << "largest difference " << largest_difference(rows, expected);
  // The number of threads decides who computes a sum, never its order.
  const std::vector<float> by_one = rows_of(batch, 1);
  ASSERT_EQ(by_one.size(), rows.size());
  EXPECT_EQ(std::memcmp(by_one.data(), rows.data(), rows.size() * sizeof(float)), 0)
      << "largest difference " << largest_difference(by_one, rows);
}

TEST_F(SmolLm2Serving, EightRequestsAtOnceGetTheTokensTheyGetAlone) {
  const auto model = make_model(256, 8);
  std::vector<std::vector<TokenId>> alone;
  for (const char* prompt : kPrompts)
    alone.push_back(model->submit(greedy(ids_of(prompt), 24)).result().token_ids);
  std::vector<Generation> together;
  for (const char* prompt : kPrompts) together.push_back(model->submit(greedy(ids_of(prompt), 24)));
  for (size_t i = 0; i < together.size(); ++i) {
    EXPECT_EQ(together[i].result().token_ids, alone[i]) << kPrompts[i];
    EXPECT_EQ(together[i].result().finish_reason, FinishReason::kLength);
  }
}

// The oracle is a sort of the whole row of logits that the same step gives when all are wanted.
TEST_F(SmolLm2Serving, TheBestTokensOfEveryStepAreThoseOfAllLogitsBitForBit) {
  RunnerOptions options;
  options.context_tokens = 256;
  ModelRunner runner(std::make_shared<Runtime>(RuntimeOptions{default_backends(), "", 2}), smollm2(),
                     options);
  std::vector<int32_t> pages(static_cast<size_t>(runner.pages()));
  std::iota(pages.begin(), pages.end(), 0);
  std::vector<TokenId> tokens = ids_of(kPrompts[2]);
  const RankRequest requests[] = {{1, 0.0f}, {40, 2.1f}, {64}};
  for (int64_t cached = 0, made = 0; made < 200; ++made) {
    SequenceStep step{std::span<const TokenId>(tokens).subspan(static_cast<size_t>(cached)), cached, pages,
                      0};
    step.logits_from = static_cast<int64_t>(step.tokens.size()) - 1;
    Tensor logits, no_logits;
    ASSERT_EQ(runner.step({&step, 1}, RunControl(), logits), RunState::kDone);
    const std::span<const float> all = logits.values<float>();
    std::vector<TokenId> order(all.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](TokenId a, TokenId b) {
      const float left = all[static_cast<size_t>(a)], right = all[static_cast<size_t>(b)];
      return left > right || (left == right && a < b);
    });
    for (const RankRequest& request : requests) {
      step.rank = request;
      RankedLogits ranked;
      ASSERT_EQ(runner.step({&step, 1}, RunControl(), no_logits, &ranked), RunState::kDone);
      const float best = all[static_cast<size_t>(order[0])];
      for (size_t place = 0; place < static_cast<size_t>(request.count); ++place) {
        const float value = all[static_cast<size_t>(order[place])];
        const bool in = !(static_cast<double>(value) < static_cast<double>(best) - request.margin);
        ASSERT_EQ(ranked.ids.values<int32_t>()[place], in ? order[place] : -1) << made << " " << place;
        const float expected = in ? value : -std::numeric_limits<float>::infinity();
        ASSERT_EQ(ranked.values.values<float>()[place], expected) << made << " " << place;
      }
    }
    cached = static_cast<int64_t>(tokens.size());
    tokens.push_back(order[0]);
  }
}

TEST_F(SmolLm2Serving, TheSameSeedDrawsTheSameTokens) {
  const auto model = make_model(256, 1);
  const auto draw = [&](uint64_t seed) {
    GenerationRequest request = greedy(ids_of(kPrompts[2]), 40);
    request.sampling = SamplingOptions{};
    request.sampling.temperature = 1.0f;
    request.sampling.seed = seed;
    return model->submit(std::move(request)).result().token_ids;
  };
  const std::vector<TokenId> first = draw(7);
  EXPECT_EQ(first.size(), 40u);
  EXPECT_EQ(draw(7), first);
  EXPECT_NE(draw(8), first);
}

TEST_F(SmolLm2Serving, CancellingALongPrefillGivesItsPagesBackWithinTwentyMilliseconds) {
  constexpr double kMostMs = 20;
  const auto model = make_model(4096, 1);
  const std::vector<TokenId> before = model->submit(greedy(ids_of(kPrompts[0]), 16)).result().token_ids;
  const int64_t all_pages = model->free_pages();
  EXPECT_EQ(all_pages, model->runner().pages());
  std::vector<double> took_ms;
  for (const int delay_ms : {5, 40, 90, 150, 220, 300, 20, 120, 180}) {
    const Generation generation = model->submit(greedy(long_prompt(2000), 16));
    std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
    ASSERT_LT(model->free_pages(), all_pages) << "the prefill was not at work after " << delay_ms << " ms";
    const TimePoint begin = Clock::now();
    generation.cancel();
    generation.wait();
    took_ms.push_back(elapsed_ms(begin));
    EXPECT_EQ(model->free_pages(), all_pages);
    EXPECT_EQ(generation.result().finish_reason, FinishReason::kCancelled);
    EXPECT_TRUE(generation.result().token_ids.empty());
  }
  std::sort(took_ms.begin(), took_ms.end());
  const double median = took_ms[took_ms.size() / 2];
  fmt::print("cancelled in {:.2f} ms (median), {:.2f} ms at most\n", median, took_ms.back());
  EXPECT_LE(median, kMostMs);
  EXPECT_EQ(model->submit(greedy(ids_of(kPrompts[0]), 16)).result().token_ids, before);
}

TEST_F(SmolLm2Serving, ASharedPrefixOfAThousandTokensBringsTheFirstTokenSixTimesSooner) {
  constexpr double kMostOfTheFirst = 0.15;
  constexpr size_t kPrefix = 1000;
  std::vector<double> shares;
  for (int round = 0; round < 5; ++round) {
    const auto model = make_model(2048, 1);
    model->submit(greedy(ids_of(kPrompts[0]), 8)).wait();
    std::vector<TokenId> first = long_prompt(kPrefix), second = first;
    for (const TokenId id : ids_of(kPrompts[4])) first.push_back(id);
    for (const TokenId id : ids_of(kPrompts[7])) second.push_back(id);
    const GenerationResult cold = model->submit(greedy(first, 4)).result();
    const GenerationResult warm = model->submit(greedy(second, 4)).result();
    EXPECT_EQ(cold.cached_tokens, 0);
    EXPECT_EQ(warm.cached_tokens, 992);  // whole pages
    shares.push_back(warm.ttft_ms / cold.ttft_ms);
    fmt::print("first token after {:.1f} ms, with the prefix known after {:.1f} ms\n", cold.ttft_ms,
               warm.ttft_ms);
  }
  std::sort(shares.begin(), shares.end());
  EXPECT_LT(shares[shares.size() / 2], kMostOfTheFirst);
}

TEST_F(SmolLm2Serving, CancellingOneRequestLeavesTheOthersTokensAlone) {
  const auto model = make_model(2560, 4);
  std::vector<std::vector<TokenId>> alone;
  for (size_t i = 0; i < 3; ++i)
    alone.push_back(model->submit(greedy(ids_of(kPrompts[i]), 48)).result().token_ids);
  const int64_t all_pages = model->free_pages();
  std::atomic<int> tokens{0};
  std::vector<Generation> others;
  for (size_t i = 0; i < 3; ++i) {
    GenerationRequest request = greedy(ids_of(kPrompts[i]), 48);
    request.on_token = [&tokens](const TokenEvent&) { return ++tokens > 0; };
    others.push_back(model->submit(std::move(request)));
  }
  while (tokens.load() < 6) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  for (int round = 0; round < 3; ++round) {
    const Generation doomed = model->submit(greedy(long_prompt(2000), 16));
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    doomed.cancel();
    doomed.wait();
    EXPECT_EQ(doomed.result().finish_reason, FinishReason::kCancelled);
  }
  EXPECT_FALSE(others[0].done()) << "the others had ended before anything was cancelled";
  for (size_t i = 0; i < others.size(); ++i) EXPECT_EQ(others[i].result().token_ids, alone[i]) << kPrompts[i];
  EXPECT_EQ(model->free_pages(), all_pages);
}

}  // namespace
}  // namespace oag::test
