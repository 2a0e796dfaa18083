#include "llm/generate/autotune.h"

#include <gtest/gtest.h>

#include "api/backends.h"
#include "base/error.h"

namespace oag {
namespace {

TuningSample sample(const TuningCandidate& candidate, double speed) {
  return {candidate, 1000 * speed, 100 * speed};
}

TEST(Autotune, TriesAllProcessorsThenHalvesOfThem) {
  EXPECT_EQ(thread_counts(1), (std::vector<int>{1}));
  EXPECT_EQ(thread_counts(2), (std::vector<int>{2, 1}));
  EXPECT_EQ(thread_counts(12), (std::vector<int>{12, 6, 3, 1}));
}

TEST(Autotune, ARequestIsAPromptOf256TokensAndAnAnswerOf64) {
  EXPECT_DOUBLE_EQ((TuningSample{{}, 1000, 100}.request_ms()), 256 + 640);
}

TEST(Autotune, TriesFewerThreadsWithTheBetterInstructionSet) {
  std::vector<TuningCandidate> tried;
  const auto samples =
      explore({{"wide", "narrow", "plain"}, {8, 4, 2}}, [&](const TuningCandidate& candidate) {
        tried.push_back(candidate);
        return sample(candidate,
                      (candidate.variant == "narrow" ? 2 : 1) * (candidate.threads == 4 ? 1.5 : 1));
      });
  EXPECT_EQ(tried, (std::vector<TuningCandidate>{{"wide", 8}, {"narrow", 8}, {"narrow", 4}, {"narrow", 2}}));
  EXPECT_EQ(samples[fastest(samples)].candidate, (TuningCandidate{"narrow", 4}));
}

TEST(Autotune, KeepsTheUntunedChoiceUnlessAnotherIsClearlyFaster) {
  const TuningCandidate first{"wide", 2}, second{"wide", 1};
  const TuningSample noise[] = {sample(first, 1), sample(second, 1.02)};
  EXPECT_EQ(fastest(noise), 0u);
  const TuningSample clear[] = {sample(first, 1), sample(second, 1.05)};
  EXPECT_EQ(fastest(clear), 1u);
}

TEST(Autotune, MeasuresAModel) {
  const ModelBundle bundle = load_bundle(OAG_SOURCE_DIR "/tests/data/models/llama/llama.bf16.gguf");
  const TuningSample got =
      measure_candidate(bundle, default_backends(), {"baseline", 1}, DType::kF16, RunControl());
  EXPECT_EQ(got.candidate, (TuningCandidate{"baseline", 1}));
  EXPECT_GT(got.prefill_tokens_per_s, 0);
  EXPECT_GT(got.decode_tokens_per_s, 0);
}

TEST(Autotune, TheShortestContextThatCanBeMeasuredIsTwoTokens) {
  ModelBundle bundle = load_bundle(OAG_SOURCE_DIR "/tests/data/models/llama/llama.bf16.gguf");
  const auto measure = [&] {
    return measure_candidate(bundle, default_backends(), {"baseline", 1}, DType::kF16, RunControl());
  };
  const auto expect_refused = [&] {
    try {
      measure();
      ADD_FAILURE() << "one token was measured";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
      EXPECT_NE(std::string(error.what()).find("1 token"), std::string::npos) << error.what();
    }
  };
  bundle.config.context_tokens = 1;
  expect_refused();
  bundle.config.context_tokens = 2;
  EXPECT_GT(measure().decode_tokens_per_s, 0);
}

TEST(Autotune, TheCacheHasTheStorageThatIsAskedFor) {
  const ModelBundle bundle = load_bundle(OAG_SOURCE_DIR "/tests/data/models/llama/llama.bf16.gguf");
  for (const DType dtype : {DType::kF32, DType::kQ8_0}) {
    EXPECT_GT(measure_candidate(bundle, default_backends(), {"baseline", 1}, dtype, RunControl())
                  .decode_tokens_per_s,
              0);
  }
  EXPECT_THROW(measure_candidate(bundle, default_backends(), {"baseline", 1}, DType::kI32, RunControl()),
               Error);
}

}  // namespace
}  // namespace oag
