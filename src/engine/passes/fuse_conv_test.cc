#include <gtest/gtest.h>

#include "engine/passes/reference_run.h"

namespace oag {
namespace {

class EveryKernel final : public TargetTraits {
 public:
  bool has_kernel(std::string_view, std::string_view, std::span<const DType>) const override { return true; }
};

class Writer {
 public:
  Writer() : x_(graph_.add_input("x", ValueType::tensor(DType::kF32, Shape{1, 3, Dim::symbol("H"), 8}))) {}

  ValueId x() const { return x_; }
  ValueId number(float value) {
    return graph_.add_constant("", Tensor::of<float>(DType::kF32, {}, std::span<const float>(&value, 1)));
  }
  ValueId op(const char* name, std::vector<ValueId> inputs, Attributes attributes = {}) {
    return graph_.add("", name, std::move(inputs), std::move(attributes));
  }
  ValueId conv(ValueId x) {
    return op("Conv", {x, graph_.add_constant("", random_values({3, 3, 3, 3}, ++seed_))},
              {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  }
  Graph fused(ValueId output) {
    graph_.outputs.push_back(output);
    Graph after = graph_;
    const EveryKernel target;
    run_passes(after, {OperatorRegistry::builtin(), &target});
    return after;
  }
  // What is left, computed after FusedConv was written out again, is what was there.
  std::vector<std::string> left(ValueId output) {
    Graph after = fused(output);
    std::vector<std::string> ops;
    for (const Node& node : after.nodes) ops.push_back(node.op);
    write_out(after);
    const Tensor x = random_values({1, 3, 6, 8}, 99);
    const Tensor expected = run_reference(graph_, {x}), actual = run_reference(after, {x});
    for (size_t i = 0; i < static_cast<size_t>(expected.count()); ++i)
      EXPECT_NEAR(actual.values<float>()[i], expected.values<float>()[i], 4e-6) << i;
    return ops;
  }

 private:
  static void write_out(Graph& graph) {
    const std::vector<Node> nodes = std::move(graph.nodes);
    graph.nodes.clear();
    std::vector<std::pair<ValueId, ValueId>> renamed;
    for (const Node& node : nodes) {
      Node current = node;
      for (ValueId& input : current.inputs) {
        for (const auto& [from, to] : renamed) input = input == from ? to : input;
      }
      if (current.op != "FusedConv") {
        graph.nodes.push_back(current);
        continue;
      }
      const auto outputs = OperatorRegistry::builtin().find("oag", "FusedConv")->decompose(graph, current);
      renamed.emplace_back(current.outputs[0], outputs[0]);
      for (ValueId& output : graph.outputs) output = output == current.outputs[0] ? outputs[0] : output;
    }
  }

  Graph graph_;
  ValueId x_;
  uint32_t seed_ = 0;
};

using Ops = std::vector<std::string>;

TEST(FuseConv, TakesEveryActivation) {
  for (const char* op :
       {"Relu", "Sigmoid", "HardSwish", "Swish", "Gelu", "LeakyRelu", "HardSigmoid", "Clip"}) {
    SCOPED_TRACE(op);
    Writer writer;
    EXPECT_EQ(writer.left(writer.op(op, {writer.conv(writer.x())})), Ops{"FusedConv"});
  }
  Writer leaky;
  EXPECT_EQ(leaky.left(leaky.op("LeakyRelu", {leaky.conv(leaky.x())}, {{"alpha", 0.3f}})), Ops{"FusedConv"});
  Writer clip;
  EXPECT_EQ(clip.left(clip.op("Clip", {clip.conv(clip.x()), clip.number(-0.5f), clip.number(0.25f)})),
            Ops{"FusedConv"});
}

TEST(FuseConv, TakesAResidualAnActivationAndANumberEach) {
  Writer writer;
  const ValueId sum = writer.op("Add", {writer.x(), writer.conv(writer.op("Neg", {writer.x()}))});
  const ValueId scaled = writer.op("Mul", {writer.number(0.5f), writer.op("HardSwish", {sum})});
  EXPECT_EQ(writer.left(writer.op("Add", {scaled, writer.number(-2)})), (Ops{"Neg", "FusedConv"}));
}

TEST(FuseConv, OneOfTwoConvsThatAreAddedTakesTheOther) {
  Writer writer;
  const ValueId sum = writer.op("Add", {writer.conv(writer.x()), writer.conv(writer.x())});
  EXPECT_EQ(writer.left(writer.op("Relu", {sum})), (Ops{"Conv", "FusedConv"}));
}

TEST(FuseConv, LeavesWhatOthersUseAndWhatBroadcasts) {
  Writer shared;
  const ValueId conv = shared.conv(shared.x());
  EXPECT_EQ(shared.left(shared.op("Mul", {shared.op("Relu", {conv}), conv})), (Ops{"Conv", "Relu", "Mul"}));
  Writer pooled;
  const ValueId mean = pooled.op("GlobalAveragePool", {pooled.x()});
  EXPECT_EQ(pooled.left(pooled.op("Add", {pooled.conv(pooled.x()), mean})),
            (Ops{"GlobalAveragePool", "Conv", "Add"}));
  Writer twice;
  const ValueId doubled = twice.conv(twice.x());
  EXPECT_EQ(twice.left(twice.op("Add", {doubled, doubled})), (Ops{"Conv", "Add"}));
}

TEST(FuseConv, KeepsItsOutputsName) {
  Writer writer;
  const Graph after = writer.fused(writer.op("Relu", {writer.conv(writer.x())}));
  EXPECT_EQ(after.nodes[0].outputs, after.outputs);
}

}  // namespace
}  // namespace oag
