#include "engine/session/program.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/session_fixture.h"

namespace oag {
namespace {

using namespace session_test;

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
