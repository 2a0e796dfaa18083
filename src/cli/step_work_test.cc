#include "cli/step_work.h"

#include <gtest/gtest.h>

#include "cli/model_bench.h"
#include "engine/ops/verify.h"
#include "llm/bundle/bundle.h"

namespace oag::cli {
namespace {

// tests/data/models/llama: 3 layers, hidden 128, 4 heads and 2 KV heads of 32, feed-forward 192, vocabulary
// 512, bf16, head tied to the embedding. The sums below are worked out from those numbers.
constexpr double kLayerWeights = 128.0 * (128 + 64 + 64) + 128 * 128 + 3 * 128 * 192;
constexpr double kHeadWeights = 512.0 * 128;

class StepWorkOfTinyLlama : public testing::Test {
 protected:
  StepWork work(std::vector<SequenceWork> sequences, DType cache = DType::kF16) const {
    Program program;
    program.graph = bundle_.build_graph();
    infer_types(program.graph);
    return step_work(program, bundle_.config, cache, sequences);
  }

  const ModelBundle bundle_ = load_bundle(OAG_SOURCE_DIR "/tests/data/models/llama/llama.bf16.gguf");
};

TEST_F(StepWorkOfTinyLlama, CountsTwoOperationsForEachMultiplyAdd) {
  const double products = 2 * (3 * kLayerWeights + kHeadWeights);
  const double attention = 3 * 2.0 * 2 * 4 * 32 * 1;  // one token that sees itself
  EXPECT_DOUBLE_EQ(work({{1, 0, 1}}).f32_ops, products + attention);
  EXPECT_DOUBLE_EQ(work({{1, 0, 1}}).int8_ops, 0);
}

TEST_F(StepWorkOfTinyLlama, CountsEveryProductOfAJoinedNode) {
  Program program;
  Graph& graph = program.graph;
  const ValueId x = graph.add_input("x", ValueType::tensor(DType::kF32, Shape{Dim::symbol("T"), 32}));
  const auto weights = [&](const char* name, int64_t rows) {
    return graph.add_constant(name, Tensor::host(DType::kQ8_0, {rows, 32}));
  };
  graph.add_node("oag", "MultiLinear", {x, weights("a", 64), kNoValue, weights("b", 16), kNoValue}, {}, 2);
  infer_types(graph);
  const std::vector<SequenceWork> sequences = {{5, 0, 1}};
  EXPECT_DOUBLE_EQ(step_work(program, bundle_.config, DType::kF16, sequences).int8_ops,
                   2.0 * 5 * 32 * (64 + 16));
}

TEST_F(StepWorkOfTinyLlama, ComputesTheHeadOnlyForWantedLogits) {
  EXPECT_DOUBLE_EQ(work({{4, 0, 4}}).f32_ops - work({{4, 0, 1}}).f32_ops, 3 * 2 * kHeadWeights);
}

TEST_F(StepWorkOfTinyLlama, ReadsWeightsOnceHoweverManySequences) {
  const double one = work({{1, 0, 1}}).read_bytes,
               eight = work(std::vector<SequenceWork>(8, {1, 0, 1})).read_bytes;
  EXPECT_NEAR(one, static_cast<double>(bundle_.weight_bytes()), 2e3);  // and small tables
  EXPECT_DOUBLE_EQ(eight - one, 7 * 128 * 2);                          // one embedding row each
}

TEST_F(StepWorkOfTinyLlama, ReadsTheCacheOfEverySequence) {
  const double token_bytes = 3 * 2 * 2 * 32 * 2;  // layers, keys and values, heads, size, f16
  const double none = work({{1, 0, 1}, {1, 0, 1}}).read_bytes;
  EXPECT_DOUBLE_EQ(work({{1, 100, 1}, {1, 50, 1}}).read_bytes - none, 150 * token_bytes);
  EXPECT_DOUBLE_EQ(work({{1, 100, 1}}, DType::kF32).read_bytes - work({{1, 0, 1}}).read_bytes,
                   200 * token_bytes);
}

TEST(Shares, AreOneWhenTheMachineIsBusyAllTheTime) {
  const MachineLimits limits{10, 50, 100};
  EXPECT_DOUBLE_EQ(bandwidth_share({10e9, 0, 0}, 1, limits), 1);
  EXPECT_DOUBLE_EQ(bandwidth_share({10e9, 0, 0}, 2, limits), 0.5);
  EXPECT_DOUBLE_EQ(compute_share({0, 25e9, 50e9}, 1, limits), 1);
}

}  // namespace
}  // namespace oag::cli
