// Pages that prompts share change no answer. The oracle is the same request alone on a model that shares
// nothing, and the same prompt in one step.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "llm/generate/language_model.h"
#include "tests/tiny_generation.h"

namespace oag {
namespace {

using test::greedy;
using test::Held;
using test::prompt_of;
using test::test_runtime;
using test::tiny_llama;
using test::tiny_options;

GenerationResult alone(const GenerationRequest& request, DType cache = DType::kF32) {
  LanguageModelOptions options = tiny_options(256, 0, 1);
  options.prefix_cache = false;
  options.runner.cache_dtype = cache;
  return LanguageModel(test_runtime(), tiny_llama(), options).submit(request).result();
}

std::vector<TokenId> joined(std::vector<TokenId> a, const std::vector<TokenId>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(PrefixSharing, TheNextTurnFindsPromptAndAnswerOfTheLast) {
  LanguageModel model(test_runtime(), tiny_llama(), tiny_options(256, 512, 2));
  const GenerationResult first = model.submit(greedy(prompt_of(1, 20), 30)).result();
  EXPECT_EQ(first.cached_tokens, 0);
  const GenerationRequest next =
      greedy(joined(joined(prompt_of(1, 20), first.token_ids), prompt_of(2, 5)), 20);
  const GenerationResult second = model.submit(next).result();
  EXPECT_EQ(second.cached_tokens, 48);  // of 49 that were computed: the last token of an answer is not
  EXPECT_EQ(second.token_ids, alone(next).token_ids);
  // A prompt of full pages, all known, still computes its last one.
  const GenerationResult again = model.submit(greedy(prompt_of(1, 16), 5)).result();
  EXPECT_EQ(again.cached_tokens, 8);
  EXPECT_EQ(again.token_ids, alone(greedy(prompt_of(1, 16), 5)).token_ids);
}

TEST(PrefixSharing, DrawnAnswersAreTheSameWhateverIsShared) {
  for (const DType cache : {DType::kF32, DType::kF16, DType::kQ8_0}) {
    LanguageModelOptions options = tiny_options(256, 1024, 4);
    options.runner.cache_dtype = cache;
    LanguageModel model(test_runtime(), tiny_llama(), options);
    std::vector<GenerationRequest> requests;
    for (int i = 0; i < 12; ++i) {
      const int64_t common = 16 * (i % 4) + 3 * (i % 3);
      requests.push_back(greedy(joined(prompt_of(1, common), prompt_of(10 + i, 5 + i)), 40));
      requests.back().sampling.temperature = 1.5f;
      requests.back().sampling.top_k = 0;
      requests.back().sampling.seed = static_cast<uint64_t>(i);
    }
    std::vector<Generation> answers;
    for (const GenerationRequest& request : requests) answers.push_back(model.submit(request));
    int64_t shared = 0;
    for (size_t i = 0; i < requests.size(); ++i) {
      const GenerationResult result = answers[i].result();
      EXPECT_EQ(result.token_ids, alone(requests[i], cache).token_ids) << dtype_name(cache) << " " << i;
      shared += result.cached_tokens;
    }
    EXPECT_GT(shared, 100);
    EXPECT_EQ(model.stats().prefix_hits, shared);
    EXPECT_EQ(model.free_pages(), model.runner().pages());
  }
}

TEST(PrefixSharing, AnotherSaltSharesNothing) {
  LanguageModel model(test_runtime(), tiny_llama(), tiny_options(256, 512, 2));
  GenerationRequest request = greedy(prompt_of(1, 40), 5);
  const GenerationResult first = model.submit(request).result();
  request.cache_salt = "tenant";
  const GenerationResult salted = model.submit(request).result();
  EXPECT_EQ(salted.cached_tokens, 0);
  EXPECT_EQ(salted.token_ids, first.token_ids);
  EXPECT_EQ(model.submit(request).result().cached_tokens, 32);
}

TEST(PrefixSharing, NothingIsSharedWhenItIsSwitchedOff) {
  LanguageModelOptions options = tiny_options(256, 512, 2);
  options.prefix_cache = false;
  LanguageModel model(test_runtime(), tiny_llama(), options);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(model.submit(greedy(prompt_of(1, 40), 5)).result().cached_tokens, 0);
  EXPECT_EQ(model.stats().prefix_queries, 0);
  EXPECT_EQ(model.stats().pages_cached, 0);
  EXPECT_EQ(model.stats().pages_free, model.stats().pages_total);
}

TEST(PrefixSharing, APromptThatSeveralBringAtOnceIsComputedOnce) {
  LanguageModel model(test_runtime(), tiny_llama(), tiny_options(256, 1024, 8));
  Held held(model);
  std::vector<Generation> choices;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    GenerationRequest request = greedy(prompt_of(1, 200), 1);
    request.sampling.temperature = 1.5f;
    request.sampling.seed = seed;
    choices.push_back(model.submit(std::move(request)));
  }
  const int64_t before = model.stats().computed_tokens;
  held.release();
  int64_t cached = 0;
  for (const Generation& choice : choices) cached += choice.result().cached_tokens;
  EXPECT_EQ(cached, 3 * 192);
  EXPECT_EQ(model.stats().computed_tokens - before, 200 + 3 * 8);
}

TEST(PrefixSharing, WhoWaitsForAPromptThatIsCancelledReadsItItself) {
  LanguageModel model(test_runtime(), tiny_llama(), tiny_options(256, 1024, 4));
  const GenerationRequest request = greedy(prompt_of(1, 240), 8);
  const std::vector<TokenId> expected = alone(request).token_ids;
  Held held(model);
  const Generation first = model.submit(request), second = model.submit(request);
  const Generation third = model.submit(request);
  first.cancel();
  held.release();
  second.cancel();
  EXPECT_EQ(third.result().token_ids, expected);
  EXPECT_EQ(third.result().finish_reason, FinishReason::kLength);
  EXPECT_EQ(model.free_pages(), model.runner().pages());
}

// --- bit for bit ---

struct Bits {
  const char* weights;
  DType cache;
};

class PrefixBits : public ::testing::TestWithParam<Bits> {};

constexpr int64_t kPage = 8;

// The logits behind `tokens`, read in steps of `chunk`, of which `known` stand in `pages` already.
std::vector<float> logits_behind(ModelRunner& runner, std::span<const TokenId> tokens,
                                 std::span<const int32_t> pages, int64_t known, int64_t chunk) {
  Tensor logits;
  const auto total = static_cast<int64_t>(tokens.size());
  for (int64_t first = known; first < total; first += chunk) {
    const int64_t count = std::min(chunk, total - first);
    const SequenceStep step = {tokens.subspan(static_cast<size_t>(first), static_cast<size_t>(count)), first,
                               pages, first + count == total ? count - 1 : count};
    EXPECT_EQ(runner.step(std::span(&step, 1), RunControl(), logits), RunState::kDone);
  }
  return {logits.values<float>().begin(), logits.values<float>().end()};
}

TEST_P(PrefixBits, ACachedPrefixGivesTheLogitsOfAFreshOne) {
  const ModelBundle bundle = load_bundle(test::tiny_model("llama", GetParam().weights));
  RunnerOptions options;
  options.context_tokens = 512;
  options.cache_tokens = 2048;
  options.cache_dtype = GetParam().cache;
  options.page_tokens = kPage;
  ModelRunner runner(test_runtime(), bundle, options);
  const auto pages_from = [&](int32_t first) {
    std::vector<int32_t> pages(40);
    std::iota(pages.begin(), pages.end(), first);
    return pages;
  };
  const std::vector<TokenId> tokens = prompt_of(3, 301);  // more than one chunk of attention
  const std::vector<float> fresh = logits_behind(runner, tokens, pages_from(0), 0, 301);
  // What another sequence has written, cut in its own way, and what the rest is cut into.
  for (const int64_t written_by : {64, 37, 8, 1}) {
    std::vector<TokenId> other(tokens.begin(), tokens.begin() + 280);
    other = joined(other, prompt_of(8, 20));
    logits_behind(runner, other, pages_from(50), 0, written_by);
    for (const int64_t known : {int64_t{280}, int64_t{8}}) {
      for (const int64_t chunk : {301, 5, 1}) {
        if (known == 8 && chunk == 1 && written_by != 37) continue;  // slow, and nothing new
        std::vector<int32_t> pages = pages_from(100);
        for (int64_t page = 0; page < known / kPage; ++page)
          pages[static_cast<size_t>(page)] = static_cast<int32_t>(50 + page);
        const std::vector<float> shared = logits_behind(runner, tokens, pages, known, chunk);
        ASSERT_EQ(shared.size(), fresh.size());
        EXPECT_EQ(std::memcmp(shared.data(), fresh.data(), fresh.size() * sizeof(float)), 0)
            << "prefix of " << known << " written in steps of " << written_by << ", the rest in " << chunk;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Storages, PrefixBits,
                         ::testing::Values(Bits{"f32", DType::kF32}, Bits{"bf16", DType::kF32},
                                           Bits{"bf16", DType::kF16}, Bits{"bf16", DType::kQ8_0},
                                           Bits{"f16", DType::kF16}, Bits{"q4_0", DType::kF16},
                                           Bits{"q4_1", DType::kQ8_0}, Bits{"q8_0", DType::kF32}),
                         [](const auto& param) {
                           return std::string(param.param.weights) + "_" +
                                  std::string(dtype_name(param.param.cache));
                         });

}  // namespace
}  // namespace oag
