#include <gtest/gtest.h>

#include <map>
#include <set>

#include "engine/ops/verify.h"
#include "engine/passes/pass.h"

namespace oag {
namespace {

const ValueType kVector = ValueType::tensor(DType::kF32, Shape{Dim::symbol("N")});

// Sends nodes whose names begin with an engine's letter to it: "a1" to "a".
class ByName final : public NodePlacement {
 public:
  Choice choose(const Graph&, const Node& node) override {
    const std::string engine = node.name.substr(0, 1);
    if (engine != "a" && engine != "b") return {};
    return {engine, "its name"};
  }
  std::string refusal(std::string_view, const GraphPtr& body) override {
    for (const Node& node : body->nodes) {
      if (refused.contains(node.name)) return "no " + node.name;
    }
    return at_most > 0 && body->nodes.size() > at_most ? "too many" : "";
  }
  void keep(const Node& node, std::string_view engine, std::string_view refusal) override {
    kept[node.name] = std::string(engine) + ": " + std::string(refusal);
  }

  std::set<std::string> refused;
  size_t at_most = 0;
  std::map<std::string, std::string> kept;
};

// A graph of Add nodes: each line is a node's name and the names of what it adds; "x" is the input.
Graph adds(const std::vector<std::vector<std::string>>& lines, const std::vector<std::string>& outputs) {
  Graph graph("adds");
  std::map<std::string, ValueId> values = {{"x", graph.add_input("x", kVector)}};
  for (const auto& line : lines)
    values[line[0]] = graph.add("", "Add", {values.at(line[1]), values.at(line[2])}, {}, line[0]);
  for (const std::string& output : outputs) graph.outputs.push_back(values.at(output));
  return graph;
}

Graph partitioned(Graph graph, ByName& placement) {
  PassContext context{OperatorRegistry::builtin()};
  context.placement = &placement;
  run_passes(graph, context);
  infer_types(graph);  // in an order that is one
  return graph;
}

// "a(a1 a2) n1": what became of the nodes.
std::string text_of(const Graph& graph) {
  std::string text;
  for (const Node& node : graph.nodes) {
    text += text.empty() ? "" : " ";
    if (node.op != "Delegate") {
      text += node.name;
      continue;
    }
    std::string inside;
    for (const Node& member : node.graph_attribute("body")->nodes)
      inside += (inside.empty() ? "" : " ") + member.name;
    text += node.string_attribute("engine", "") + "(" + inside + ")";
  }
  return text;
}

TEST(Partition, AWholeGraphIsOneDelegate) {
  ByName placement;
  const Graph graph =
      partitioned(adds({{"a1", "x", "x"}, {"a2", "a1", "x"}, {"a3", "x", "x"}}, {"a2", "a3"}), placement);
  EXPECT_EQ(text_of(graph), "a(a1 a2 a3)");
  const Node& node = graph.nodes[0];
  EXPECT_EQ(node.inputs.size(), 1u);
  EXPECT_EQ(node.outputs.size(), 2u);
  EXPECT_EQ(node.strings_attribute("reasons").front(), "its name");
}

TEST(Partition, NodesBetweenStayOutside) {
  ByName placement;
  EXPECT_EQ(text_of(partitioned(adds({{"a1", "x", "x"}, {"n1", "a1", "x"}, {"a2", "n1", "a1"}}, {"a2"}),
                                placement)),
            "a(a1) n1 a(a2)");
}

TEST(Partition, NodesThatNoWayKeepsApartAreJoined) {
  ByName placement;
  // a1 needs nothing of n1, a2 does: one Delegate behind n1.
  EXPECT_EQ(text_of(partitioned(
                adds({{"a1", "x", "x"}, {"n1", "x", "x"}, {"n2", "n1", "n1"}, {"a2", "n2", "a1"}}, {"a2"}),
                placement)),
            "n1 n2 a(a1 a2)");
}

TEST(Partition, TwoEnginesMakeNoCircle) {
  ByName placement;
  // a1 -> b2 and b1 -> a2: both engines joined whole would wait for each other.
  const Graph graph = partitioned(
      adds({{"a1", "x", "x"}, {"b1", "x", "a1"}, {"b2", "a1", "a1"}, {"a2", "b1", "x"}, {"b3", "a2", "b2"}},
           {"b2", "b3"}),
      placement);
  EXPECT_EQ(text_of(graph), "a(a1) b(b1 b2) a(a2) b(b3)");
}

TEST(Partition, ARefusedNodeStaysAndItsReasonIsTold) {
  ByName placement;
  placement.refused = {"a2"};
  EXPECT_EQ(
      text_of(partitioned(adds({{"a1", "x", "x"}, {"a2", "a1", "x"}, {"a3", "a2", "x"}}, {"a3"}), placement)),
      "a(a1) a2 a(a3)");
  EXPECT_EQ(placement.kept, (std::map<std::string, std::string>{{"a2", "a: no a2"}}));
}

TEST(Partition, AGraphThatIsRefusedAsAWholeStays) {
  ByName placement;
  placement.at_most = 1;
  EXPECT_EQ(text_of(partitioned(adds({{"a1", "x", "x"}, {"a2", "a1", "x"}}, {"a2"}), placement)), "a1 a2");
  EXPECT_EQ(placement.kept.at("a1"), "a: too many");
}

TEST(Partition, ConstantsGoAlong) {
  Graph graph("constants");
  const ValueId x = graph.add_input("x", kVector);
  const float two[] = {2};
  const ValueId c = graph.add_constant("two", Tensor::of<float>(DType::kF32, {}, two));
  graph.outputs.push_back(graph.add("", "Mul", {x, c}, {}, "a1"));
  ByName placement;
  const Graph made = partitioned(std::move(graph), placement);
  ASSERT_EQ(text_of(made), "a(a1)");
  EXPECT_EQ(made.nodes[0].inputs, std::vector<ValueId>{x});
}

}  // namespace
}  // namespace oag
