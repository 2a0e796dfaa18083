#include "engine/session/program.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "tests/session_fixture.h"

namespace oag {
namespace {

using namespace session_test;

// Operators without kernel and reference: each is the next one, the last is Neg; the endless one is itself.
template <int kLevel>
std::vector<ValueId> decompose_level(Graph& graph, const Node& node) {
  if constexpr (kLevel == 0) return {graph.add("", "Neg", {node.inputs[0]})};
  return {graph.add("test", kLevel == 2 ? "Level1" : "Level0", {node.inputs[0]})};
}
std::vector<ValueId> decompose_endlessly(Graph& graph, const Node& node) {
  return {graph.add("test", "Endless", {node.inputs[0]})};
}

OpSchema composed(std::string_view op, std::vector<ValueId> (*decompose)(Graph&, const Node&)) {
  return {
      .domain = "test",
      .op = op,
      .since_version = 1,
      .inputs = {{"x", "T", {DType::kF32}}},
      .outputs = {{"y", "T", {DType::kF32}}},
      .attributes = {},
      .infer = [](InferenceContext& context) { context.set_output(0, context.dtype(0), context.shape(0)); },
      .decompose = decompose};
}

Graph one_node(std::string_view op) {
  Graph graph("composed");
  const ValueId x = graph.add_input("x", ValueType::tensor(DType::kF32, Shape{Dim::symbol("N")}));
  graph.outputs.push_back(graph.add("test", std::string(op), {x}));
  return graph;
}

TEST(Compile, ExpandsWhatDecompositionsAreMadeOfUntilItCanRun) {
  const OpSchema schemas[] = {composed("Level0", decompose_level<0>), composed("Level1", decompose_level<1>),
                              composed("Level2", decompose_level<2>),
                              composed("Endless", decompose_endlessly)};
  OperatorRegistry registry = OperatorRegistry::builtin();
  for (const OpSchema& schema : schemas) registry.add(&schema);
  CompileOptions options;
  options.registry = &registry;
  const Session session(test_runtime(), one_node("Level2"), options);
  std::vector<Tensor> outputs;
  ASSERT_EQ(session.run({{floats({1, -2}, {2})}, {}}, RunControl(), outputs), RunState::kDone);
  EXPECT_EQ(numbers(outputs[0]), (std::vector<float>{-1, 2}));
  try {
    Session endless(test_runtime(), one_node("Endless"), options);
    ADD_FAILURE() << "an endless decomposition was compiled";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "composed: decompositions of its operators do not end after 8 rounds");
  }
}

TEST(Compile, OutputsKeepTheirNamesWhenTheirNodesAreWrittenOut) {
  Graph graph("names");
  const ValueId x = graph.add_input("x", ValueType::tensor(DType::kF32, Shape{2, 2}));
  graph.outputs = {
      graph.add("com.microsoft", "FusedGemm", {x, x}, {{"activation", std::string("Relu")}}, "gemm")};
  const std::string name = graph.value(graph.outputs[0]).name;
  const Session session(test_runtime(), std::move(graph));
  const Graph& compiled = session.program().graph;
  EXPECT_EQ(compiled.value(compiled.outputs[0]).name, name);
  ASSERT_EQ(compiled.nodes.size(), 2u);
  EXPECT_EQ(compiled.nodes[0].name, "gemm.Gemm");
  EXPECT_EQ(compiled.nodes[1].name, "gemm.Relu");
}

TEST(Compile, FusedOperatorsRunOnTheKernelsOfTheirParts) {
  for (const KernelChoice choice : {KernelChoice::kBest, KernelChoice::kReference}) {
    Graph graph("gelu");
    const ValueId x = graph.add_input("x", ValueType::tensor(DType::kF32, Shape{8}));
    graph.outputs = {graph.add("com.microsoft", "BiasGelu", {x, x})};
    CompileOptions options;
    options.kernels = choice;
    const Session session(test_runtime(), std::move(graph), options);
    const bool best = choice == KernelChoice::kBest;
    ASSERT_EQ(session.program().steps.size(), best ? 2u : 1u);
    EXPECT_EQ(session.program().steps.back().kernel_name == "reference", !best);
  }
}

TEST(Explain, RowsAreOfNodesWithTheSameKernelAndTheSameRefusals) {
  Graph graph("norms");
  const auto floats_of = [](Shape shape) { return ValueType::tensor(DType::kF32, std::move(shape)); };
  const ValueId x = graph.add_input("x", floats_of({2, 4}));
  const ValueId whole = graph.add_input("whole", floats_of({2, 4})),
                row = graph.add_input("row", floats_of({4}));
  for (const float epsilon : {1e-5f, 1e-6f}) {
    graph.outputs.push_back(
        graph.add("", "RMSNormalization", {x, row}, {{"axis", int64_t{0}}, {"epsilon", epsilon}}));
  }
  graph.outputs.push_back(graph.add("", "RMSNormalization", {x, whole}));
  graph.outputs.push_back(graph.add("", "RMSNormalization", {x, row}));
  const Session session(test_runtime(), std::move(graph));
  std::vector<std::string> rows;
  for (const ExplainRow& explained : explain(session.program())) {
    rows.push_back(fmt::format("{} x{}", explained.kernel, explained.nodes));
    for (const std::string& refusal : explained.refusals) rows.back() += ", " + refusal;
  }
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_TRUE(rows[0].starts_with("reference x2, ") && rows[0].ends_with(": axis is not the last one"))
      << rows[0];
  EXPECT_TRUE(rows[1].starts_with("reference x1, ") &&
              rows[1].ends_with(": scale or bias is not one value per column"))
      << rows[1];
  EXPECT_TRUE(rows[2].ends_with(" x1")) << rows[2];
}

}  // namespace
}  // namespace oag
