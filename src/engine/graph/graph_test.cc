#include "engine/graph/graph.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace oag {
namespace {

ValueType floats(Shape shape) {
  return ValueType::tensor(DType::kF32, std::move(shape));
}

Graph small_graph() {
  Graph graph("small");
  const ValueId x = graph.add_input("x", floats({Dim::symbol("T"), 4}));
  const float ones[] = {1, 1, 1, 1};
  const ValueId w = graph.add_constant("w", Tensor::of<float>(DType::kF32, {4}, ones));
  const ValueId product = graph.add("", "Mul", {x, w});
  graph.outputs.push_back(graph.add("oag", "SwiGLU", {product, x}, {}, "gate"));
  return graph;
}

TEST(Graph, NamesAreMadeUnique) {
  Graph graph;
  const ValueId a = graph.add_value("v"), b = graph.add_value("v"), c = graph.add_value("v_1");
  EXPECT_EQ(graph.value(a).name, "v");
  EXPECT_EQ(graph.value(b).name, "v_1");
  EXPECT_NE(graph.value(c).name, "v_1");
  EXPECT_EQ(graph.find_value("v"), a);
  EXPECT_EQ(graph.find_value("absent"), std::nullopt);
}

TEST(Graph, PrintsAsReadableText) {
  EXPECT_EQ(print_graph(small_graph()),
            "graph small\n"
            "  input %x : f32[T, 4]\n"
            "  const %w : f32[4]\n"
            "  %Mul_0 = Mul(%x, %w)  : ?\n"
            "  %gate = oag.SwiGLU(%Mul_0, %x)  : ?\n"
            "  output %gate\n");
}

TEST(Graph, ReplacingAValueReachesNodesAndOutputs) {
  Graph graph = small_graph();
  const ValueId product = graph.nodes[0].outputs[0], gate = graph.nodes[1].outputs[0];
  graph.replace_uses(product, graph.inputs[0]);
  graph.replace_uses(gate, product);
  EXPECT_EQ(graph.nodes[1].inputs[0], graph.inputs[0]);
  EXPECT_EQ(graph.outputs[0], product);
}

TEST(Graph, CountsUsesAndProducers) {
  const Graph graph = small_graph();
  EXPECT_EQ(graph.use_counts()[static_cast<size_t>(graph.inputs[0])], 2);
  EXPECT_EQ(graph.producers()[static_cast<size_t>(graph.outputs[0])], 1);
  EXPECT_EQ(graph.producers()[static_cast<size_t>(graph.inputs[0])], -1);
}

TEST(Graph, CopiesAreIndependent) {
  const Graph graph = small_graph();
  Graph copy = graph;
  copy.nodes.pop_back();
  copy.value(copy.inputs[0]).name = "renamed";
  EXPECT_EQ(graph.nodes.size(), 2u);
  EXPECT_EQ(graph.value(graph.inputs[0]).name, "x");
}

TEST(Node, AttributeOfAnotherTypeIsAnError) {
  const Node node{"", "Softmax", "s", {}, {}, {{"axis", 1.5f}}};
  EXPECT_THROW(node.int_attribute("axis", 0), Error);
  EXPECT_THROW(node.int_attribute("absent"), Error);
  EXPECT_EQ(node.int_attribute("absent", 7), 7);
}

}  // namespace
}  // namespace oag
