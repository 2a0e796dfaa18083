#include "cli/model_bench.h"

#include <gtest/gtest.h>

namespace oag::cli {
namespace {

const ModelBundle& tiny() {
  static const ModelBundle bundle = load_bundle(OAG_SOURCE_DIR "/tests/data/models/llama/llama.bf16.gguf");
  return bundle;
}

RunnerOptions options(int64_t prefill, int64_t decode, std::vector<int64_t> batches,
                      std::vector<int64_t> contexts) {
  BenchPlan plan;
  plan.prefill_tokens = prefill;
  plan.decode_tokens = decode;
  plan.batches = std::move(batches);
  plan.contexts = std::move(contexts);
  return bench_options(ModelOptions(), plan, tiny());
}

TEST(BenchOptions, TheCacheHoldsEverySequenceOfTheLargestBatchInWholePages) {
  const RunnerOptions runner = options(16, 8, {2, 3}, {0, 24});
  EXPECT_EQ(runner.context_tokens, 24 + 16);
  EXPECT_EQ(runner.page_tokens, 32);
  EXPECT_EQ(runner.cache_tokens, 3 * 64);
}

// Prefill packs all prompts into steps of 256 tokens; decode makes one token, with logits, of each sequence.
TEST(BenchOptions, MemoryIsEstimatedForTheLargestStepsOfThePlan) {
  EXPECT_EQ(options(16, 8, {1}, {0}).step_tokens, 16);
  EXPECT_EQ(options(16, 8, {2, 16}, {0}).step_tokens, 256);
  EXPECT_EQ(options(8, 8, {2, 10}, {24}).step_tokens, 240);  // while the cache is filled
  EXPECT_EQ(options(64, 8, {200}, {0}).step_tokens, 256);
  EXPECT_EQ(options(0, 8, {16}, {0}).step_tokens, 16);
  EXPECT_EQ(options(16, 8, {2, 16}, {0}).logits_rows, 16);
  EXPECT_EQ(options(0, 8, {200}, {0}).logits_rows, 200);
}

}  // namespace
}  // namespace oag::cli
