#include <gtest/gtest.h>

#include "engine/passes/reference_run.h"

namespace oag {
namespace {

class Writer {
 public:
  Writer() : x_(graph_.add_input("x", ValueType::tensor(DType::kF32, Shape{Dim::symbol("N"), 60}))) {}

  ValueId x() const { return x_; }
  ValueId number(float value) {
    return graph_.add_constant("", Tensor::of<float>(DType::kF32, {}, std::span<const float>(&value, 1)));
  }
  ValueId op(const char* name, std::vector<ValueId> inputs, Attributes attributes = {}) {
    return graph_.add("", name, std::move(inputs), std::move(attributes));
  }
  ValueId clipped(float most = 6) {
    return op("Clip", {op("Add", {x_, number(3)}), number(0), number(most)});
  }
  ValueId erf_plus_one(ValueId scaled) { return op("Add", {number(1), op("Erf", {scaled})}); }

  // The operators that are left; they compute the same as those before.
  std::vector<std::string> left(ValueId output) {
    graph_.outputs.push_back(output);
    const Graph after = rewritten(graph_);
    const Tensor x = random_values({50, 60}, 1, -8, 8);
    const Tensor expected = run_reference(graph_, {x}), actual = run_reference(after, {x});
    EXPECT_EQ(actual.dims(), expected.dims());
    for (size_t i = 0; i < static_cast<size_t>(expected.count()); ++i)
      EXPECT_NEAR(actual.values<float>()[i], expected.values<float>()[i], 4e-6) << i;
    std::vector<std::string> ops;
    for (const Node& node : after.nodes) ops.push_back(node.op);
    return ops;
  }

 private:
  Graph graph_;
  ValueId x_;
};

using Ops = std::vector<std::string>;

TEST(FuseActivations, HardSwishInEveryOrder) {
  Writer paddle;
  EXPECT_EQ(
      paddle.left(paddle.op("Div", {paddle.op("Mul", {paddle.x(), paddle.clipped()}), paddle.number(6)})),
      Ops{"HardSwish"});
  Writer torch;
  EXPECT_EQ(torch.left(torch.op("Mul", {torch.op("Div", {torch.clipped(), torch.number(6)}), torch.x()})),
            Ops{"HardSwish"});
  Writer multiplied;
  EXPECT_EQ(multiplied.left(multiplied.op(
                "Mul",
                {multiplied.x(), multiplied.op("Mul", {multiplied.number(1.0f / 6), multiplied.clipped()})})),
            Ops{"HardSwish"});
  Writer gated;
  EXPECT_EQ(
      gated.left(gated.op("Mul", {gated.x(), gated.op("HardSigmoid", {gated.x()}, {{"alpha", 0.1666667f}})})),
      Ops{"HardSwish"});
}

TEST(FuseActivations, GeluInEveryOrder) {
  Writer paddle;
  const ValueId divided = paddle.op("Div", {paddle.x(), paddle.number(1.41421356f)});
  EXPECT_EQ(paddle.left(paddle.op(
                "Mul", {paddle.op("Mul", {paddle.x(), paddle.erf_plus_one(divided)}), paddle.number(0.5f)})),
            Ops{"Gelu"});
  Writer torch;
  const ValueId scaled = torch.op("Mul", {torch.number(0.70710678f), torch.x()});
  EXPECT_EQ(torch.left(torch.op(
                "Mul", {torch.op("Mul", {torch.number(0.5f), torch.x()}), torch.erf_plus_one(scaled)})),
            Ops{"Gelu"});
}

TEST(FuseActivations, Swish) {
  Writer writer;
  EXPECT_EQ(writer.left(writer.op("Mul", {writer.op("Sigmoid", {writer.x()}), writer.x()})), Ops{"Swish"});
}

TEST(FuseActivations, LeavesOtherNumbersAndOtherOperands) {
  Writer seven;
  EXPECT_EQ(
      seven.left(seven.op("Div", {seven.op("Mul", {seven.x(), seven.clipped()}), seven.number(7)})).size(),
      4u);
  Writer bound;
  EXPECT_EQ(
      bound.left(bound.op("Div", {bound.op("Mul", {bound.x(), bound.clipped(5)}), bound.number(6)})).size(),
      4u);
  Writer quotient;
  EXPECT_EQ(quotient.left(quotient.op("Div", {quotient.x(), quotient.op("Sigmoid", {quotient.x()})})).size(),
            2u);
  Writer other;
  EXPECT_EQ(
      other.left(other.op("Mul", {other.op("Neg", {other.x()}), other.op("Sigmoid", {other.x()})})).size(),
      3u);
  Writer unscaled;
  EXPECT_EQ(unscaled
                .left(unscaled.op("Mul", {unscaled.op("Mul", {unscaled.x(), unscaled.number(0.5f)}),
                                          unscaled.erf_plus_one(unscaled.x())}))
                .size(),
            4u);
}

TEST(FuseActivations, LeavesStepsThatOthersUse) {
  Writer writer;
  const ValueId sigmoid = writer.op("Sigmoid", {writer.x()});
  EXPECT_EQ(writer.left(writer.op("Add", {writer.op("Mul", {writer.x(), sigmoid}), sigmoid})).size(), 3u);
}

TEST(EliminateIdentity, TakesCopiesOutButForOutputs) {
  Writer inner;
  const ValueId copy = inner.op("Identity", {inner.op("Identity", {inner.x()})});
  EXPECT_EQ(inner.left(inner.op("Neg", {copy})), Ops{"Neg"});
  Writer output;
  EXPECT_EQ(output.left(output.op("Identity", {output.op("Neg", {output.x()})})), (Ops{"Neg", "Identity"}));
}

}  // namespace
}  // namespace oag
