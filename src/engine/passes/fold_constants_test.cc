#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/ops/verify.h"
#include "engine/passes/pass.h"

namespace oag {
namespace {

ValueType floats(Shape shape) {
  return ValueType::tensor(DType::kF32, std::move(shape));
}

ValueId integers(Graph& graph, const std::vector<int64_t>& values) {
  return graph.add_constant("c",
                            Tensor::of<int64_t>(DType::kI64, {static_cast<int64_t>(values.size())}, values));
}

// What is left of the graph when the passes have run.
Graph folded(Graph graph) {
  run_passes(graph, {OperatorRegistry::builtin()});
  return graph;
}

TEST(FoldConstants, AChainOfShapesLeavesOneReshape) {
  Graph graph;
  const ValueId x = graph.add_input("x", floats({2, 3, 4}));
  const ValueId flat = graph.add("", "Reshape", {x, integers(graph, {0, -1})});
  const ValueId rows =
      graph.add("", "Slice", {graph.add("", "Shape", {flat}), integers(graph, {0}), integers(graph, {1})});
  const ValueId wanted = graph.add("", "Concat", {rows, integers(graph, {4, 3})}, {{"axis", int64_t{0}}});
  graph.outputs.push_back(graph.add("", "Reshape", {flat, wanted}));
  const Graph result = folded(std::move(graph));
  ASSERT_EQ(result.nodes.size(), 2u);
  EXPECT_EQ(result.nodes[0].op, "Reshape");
  EXPECT_EQ(result.nodes[1].op, "Reshape");
  EXPECT_EQ(to_string(result.value(result.outputs[0]).type), "f32[2, 4, 3]");
}

TEST(FoldConstants, AnOutputMayBecomeAConstant) {
  Graph graph;
  graph.outputs.push_back(graph.add("", "Add", {integers(graph, {1, 2}), integers(graph, {3, 4})}));
  const Graph result = folded(std::move(graph));
  EXPECT_TRUE(result.nodes.empty());
  const auto& constant = result.value(result.outputs[0]).constant;
  ASSERT_TRUE(constant);
  EXPECT_EQ(constant->values<int64_t>()[1], 6);
}

TEST(FoldConstants, LargeWeightsAreScaledAndRearrangedOnceAndWhatTheyWereMadeOfIsLetGo) {
  Graph graph;
  const ValueId x = graph.add_input("x", floats({1, 600}));
  const ValueId stored = graph.add_constant("w", Tensor::host(DType::kI8, {600, 500}));
  graph.value(stored).constant->values<int8_t>()[501] = -3;
  const float scale[] = {0.5f};
  const ValueId wide = graph.add("", "Cast", {stored}, {{"to", int64_t{1}}});
  const ValueId scaled =
      graph.add("", "Mul", {wide, graph.add_constant("s", Tensor::of<float>(DType::kF32, {1}, scale))});
  graph.outputs.push_back(graph.add("", "MatMul", {x, scaled}));
  const Graph result = folded(std::move(graph));
  ASSERT_EQ(result.nodes.size(), 1u);
  const auto& weights = result.value(result.nodes[0].inputs[1]).constant;
  ASSERT_TRUE(weights);
  EXPECT_EQ(weights->values<float>()[501], -1.5f);
  EXPECT_FALSE(result.value(stored).constant);
  EXPECT_FALSE(result.value(wide).constant);
}

TEST(FoldConstants, LeavesWhatIsRandomLargeSymbolicOrWrong) {
  Graph graph;
  const ValueId x = graph.add_input("x", floats({Dim::symbol("N"), 4}));
  graph.outputs.push_back(graph.add("", "RandomUniform", {}, {{"shape", std::vector<int64_t>{2}}}));
  graph.outputs.push_back(graph.add("", "ConstantOfShape", {integers(graph, {1000, 1000})}));
  graph.outputs.push_back(graph.add("", "Shape", {x}));
  graph.outputs.push_back(graph.add("", "Div", {integers(graph, {1}), integers(graph, {0})}));
  EXPECT_EQ(folded(std::move(graph)).nodes.size(), 4u);
}

// 2 * 2^50 times 3 * 2^50 elements, which are known when Shape and Mul have become constants.
TEST(FoldConstants, SizesWithoutEndNameTheNode) {
  Graph graph;
  const ValueId shape = graph.add("", "Shape", {graph.add_input("x", floats({2, 3}))});
  const ValueId larger = graph.add("", "Mul", {shape, integers(graph, {int64_t{1} << 50})});
  graph.outputs.push_back(graph.add("", "ConstantOfShape", {larger}, {}, "n"));
  try {
    folded(std::move(graph));
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.where(), "node n (ConstantOfShape)");
  }
}

}  // namespace
}  // namespace oag
