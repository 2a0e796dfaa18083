#include <gtest/gtest.h>

#include <cmath>

#include "engine/passes/reference_run.h"

namespace oag {
namespace {

constexpr double kTolerance = 2e-6;

// A graph of one input that grows by nodes of which the first input is the value before.
class Chain {
 public:
  explicit Chain(const Dims& x)
      : value_(graph_.add_input("x", ValueType::tensor(DType::kF32, to_shape(x)))), x_(x) {}

  ValueId constant(Dims dims, uint32_t seed, float low = -1.0f, float high = 1.0f) {
    return graph_.add_constant("", random_values(std::move(dims), seed, low, high));
  }
  Chain& then(const char* op, std::vector<ValueId> more, Attributes attributes = {}) {
    more.insert(more.begin(), value_);
    value_ = graph_.add("", op, std::move(more), std::move(attributes));
    return *this;
  }
  Chain& then_from(const char* op, ValueId first) {
    value_ = graph_.add("", op, {first, value_});
    return *this;
  }
  Chain& normalized(int64_t channels, float least_variance = 0.5f) {
    return then("BatchNormalization",
                {constant({channels}, 11), constant({channels}, 12), constant({channels}, 13),
                 constant({channels}, 14, least_variance, least_variance + 1)});
  }

  Graph& graph() { return graph_; }
  ValueId value() const { return value_; }

  // How many nodes the passes leave; their graph computes the same.
  size_t nodes_left() {
    if (graph_.outputs.empty()) graph_.outputs.push_back(value_);
    const Graph after = rewritten(graph_);
    EXPECT_EQ(after.value(after.outputs[0]).name, graph_.value(graph_.outputs[0]).name);
    const Tensor x = random_values(x_, 99);
    const Tensor expected = run_reference(graph_, {x}), actual = run_reference(after, {x});
    EXPECT_EQ(actual.dims(), expected.dims());
    for (size_t i = 0; i < static_cast<size_t>(expected.count()) && actual.dims() == expected.dims(); ++i) {
      const float a = actual.values<float>()[i], e = expected.values<float>()[i];
      if (std::isfinite(e)) {
        EXPECT_NEAR(a, e, kTolerance * (1 + std::fabs(e))) << i;
      } else {
        EXPECT_FALSE(std::isfinite(a)) << i;
      }
    }
    return after.nodes.size();
  }

 private:
  Graph graph_;
  ValueId value_;
  Dims x_;
};

TEST(FoldAffine, ConvTakesStatisticsFactorsAndSummands) {
  Chain chain({2, 4, 9, 8});
  chain.then("Conv", {chain.constant({6, 2, 3, 3}, 1), chain.constant({6}, 2)}, {{"group", int64_t{2}}});
  chain.normalized(6).then("Mul", {chain.constant({1}, 3)}).then("Add", {chain.constant({6, 1, 1}, 4)});
  chain.then("Div", {chain.constant({1, 1, 1, 1}, 5, 2, 3)}).then_from("Sub", chain.constant({}, 6));
  chain.then("Sub", {chain.constant({1, 6, 1, 1}, 7)});
  EXPECT_EQ(chain.nodes_left(), 1u);
}

TEST(FoldAffine, AConvWithoutBiasGetsOneAndKeepsWeightsThatAreNotScaled) {
  Chain chain({1, 3, 7});
  const ValueId w = chain.constant({5, 3, 2}, 1);
  chain.then("Conv", {w}).then_from("Add", chain.constant({1, 5, 1}, 2));
  EXPECT_EQ(chain.nodes_left(), 1u);
  const Graph after = rewritten(chain.graph());
  EXPECT_EQ(after.nodes[0].inputs[1], w);
  EXPECT_EQ(after.nodes[0].inputs.size(), 3u);
}

TEST(FoldAffine, ConvTransposeOfGroupsAndGemmTakeThemToo) {
  Chain transposed({1, 6, 5, 4});
  transposed.then("ConvTranspose", {transposed.constant({6, 2, 2, 2}, 1)},
                  {{"group", int64_t{3}}, {"strides", std::vector<int64_t>{2, 2}}});
  transposed.then("Add", {transposed.constant({1, 6, 1, 1}, 2)}).normalized(6);
  EXPECT_EQ(transposed.nodes_left(), 1u);
  for (const int64_t turned : {0, 1}) {
    Chain gemm({3, 4});
    gemm.then("Gemm", {gemm.constant(turned != 0 ? Dims{5, 4} : Dims{4, 5}, 1), gemm.constant({1, 5}, 2)},
              {{"transB", turned}, {"beta", 0.5f}, {"alpha", 2.0f}});
    gemm.normalized(5).then("Mul", {gemm.constant({5}, 3)});
    EXPECT_EQ(gemm.nodes_left(), 1u);
  }
}

TEST(FoldAffine, LeavesWhatIsNoFunctionOfChannels) {
  Chain along_rows({1, 3, 5, 5});
  along_rows.then("Conv", {along_rows.constant({5, 3, 1, 1}, 1)}).then("Mul", {along_rows.constant({5}, 2)});
  EXPECT_EQ(along_rows.nodes_left(), 2u);
  Chain more_dims({1, 3, 5, 5});
  more_dims.then("Conv", {more_dims.constant({5, 3, 1, 1}, 1)})
      .then("Add", {more_dims.constant({1, 1, 5, 1, 1}, 2)});
  EXPECT_EQ(more_dims.nodes_left(), 2u);
  Chain one_channel({1, 3, 5, 5});
  one_channel.then("Conv", {one_channel.constant({1, 3, 1, 1}, 1)})
      .then("Add", {one_channel.constant({1, 4, 1, 1}, 2)});
  EXPECT_EQ(one_channel.nodes_left(), 2u);
  Chain divisor({1, 3, 5, 5});
  divisor.then("Conv", {divisor.constant({2, 3, 1, 1}, 1)}).then_from("Div", divisor.constant({}, 2));
  EXPECT_EQ(divisor.nodes_left(), 2u);
}

TEST(FoldAffine, LeavesAConvThatOthersUseAndOneThatIsAnOutput) {
  Chain shared({1, 3, 5, 5});
  shared.then("Conv", {shared.constant({2, 3, 1, 1}, 1)});
  const ValueId conv = shared.value();
  shared.then("Mul", {shared.constant({}, 2)}).then("Add", {conv});
  EXPECT_EQ(shared.nodes_left(), 3u);
  Chain output({1, 3, 5, 5});
  output.then("Conv", {output.constant({2, 3, 1, 1}, 1)});
  output.graph().outputs.push_back(output.value());
  output.then("Mul", {output.constant({}, 2)});
  output.graph().outputs.push_back(output.value());
  EXPECT_EQ(output.nodes_left(), 2u);
}

TEST(FoldAffine, LeavesStatisticsWithoutADeviation) {
  Chain negative({1, 3, 5, 5});
  negative.then("Conv", {negative.constant({2, 3, 1, 1}, 1)}).normalized(2, -3);
  EXPECT_EQ(negative.nodes_left(), 2u);
}

}  // namespace
}  // namespace oag
