// What the verifier refuses beyond the shape rules: definitions, and memory that is updated in place.
#include "engine/ops/verify.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace oag {
namespace {

const Dim kT = Dim::symbol("T");

std::string refusal(Graph& graph) {
  try {
    infer_types(graph);
    return "accepted";
  } catch (const Error& error) {
    return error.what();
  }
}

ValueType floats(Shape shape) {
  return ValueType::tensor(DType::kF32, std::move(shape));
}

// One state and what attends over it: 2 key heads of 8 values.
struct AttentionTest {
  AttentionTest() {
    q = graph.add_input("q", floats({kT, 4, 8}));
    k = graph.add_input("k", floats({kT, 2, 8}));
    state = graph.add_input("kv", {TypeKind::kState, DType::kUndefined, std::nullopt, nullptr});
  }
  std::vector<ValueId> attend(ValueId over, const char* name) {
    return graph.add_node("oag", "CachedAttention", {q, k, k, over}, {}, 2, name).outputs;
  }

  Graph graph;
  ValueId q, k, state;
};

TEST(Verifier, AValueThatTwoNodesDefineIsRefused) {
  Graph graph;
  const ValueId x = graph.add_input("x", floats({4}));
  graph.outputs.push_back(graph.add("", "Neg", {x}, {}, "first"));
  graph.add_node("", "Exp", {x}, {}, 1, "second").outputs[0] = graph.outputs[0];
  EXPECT_EQ(refusal(graph), "node second (Exp): defines %first a second time");
}

TEST(Verifier, AnInputThatANodeDefinesIsRefused) {
  Graph graph;
  const ValueId x = graph.add_input("x", floats({4}));
  graph.add_node("", "Neg", {x}, {}, 1, "n").outputs[0] = x;
  EXPECT_EQ(refusal(graph), "node n (Neg): defines %x a second time");
}

TEST(Verifier, AnInputThatIsAConstantOrListedTwiceIsRefused) {
  Graph constant;
  constant.inputs.push_back(constant.add_constant("c", Tensor::host(DType::kF32, {1})));
  EXPECT_EQ(refusal(constant), "graph main: defines %c a second time");
  Graph twice;
  twice.inputs.push_back(twice.add_input("x", floats({4})));
  EXPECT_EQ(refusal(twice), "graph main: defines %x a second time");
}

TEST(Verifier, AValueThatTheGraphLacksIsRefused) {
  Graph graph;
  graph.add_input("x", floats({4}));
  graph.add("", "Neg", {7}, {}, "n");
  EXPECT_EQ(refusal(graph), "node n (Neg): uses value 7, the graph has 2");
}

TEST(Verifier, UpdatesThatFollowEachOtherAreTaken) {
  AttentionTest test;
  const ValueId once = test.attend(test.state, "first")[1];
  test.graph.outputs = test.attend(once, "second");
  EXPECT_EQ(refusal(test.graph), "accepted");
}

TEST(Verifier, AStateIsNotReadOnceANodeUpdatedIt) {
  AttentionTest test;
  test.attend(test.state, "first");
  test.graph.outputs = test.attend(test.state, "second");
  EXPECT_EQ(
      refusal(test.graph),
      "node second (oag.CachedAttention): uses %kv after node first updated it; use that node's output");
}

TEST(Verifier, AGraphOutputIsNotAStateThatANodeUpdated) {
  AttentionTest test;
  test.attend(test.state, "first");
  test.graph.outputs = {test.state};
  EXPECT_EQ(refusal(test.graph), "graph main: uses %kv after node first updated it; use that node's output");
}

// Memory, not names, is what an update changes: views of it are old too.
TEST(Verifier, AViewOfAStateIsNotReadOnceANodeUpdatedTheState) {
  AttentionTest test;
  test.graph.value(test.state).type = floats({Dim::symbol("pages"), 2, 2, 16, 8});
  const ValueId view = test.graph.add("", "Identity", {test.state}, {}, "view");
  const ValueId updated = test.attend(test.state, "first")[1];
  test.graph.outputs = {updated, test.graph.add("", "Neg", {view}, {}, "late")};
  EXPECT_EQ(refusal(test.graph),
            "node late (Neg): uses %view after node first updated it; use that node's output");
}

TEST(Verifier, AConstantIsNotUpdated) {
  AttentionTest test;
  const ValueId constant = test.graph.add_constant("c", Tensor::host(DType::kF32, {1, 2, 2, 16, 8}));
  const ValueId view = test.graph.add("", "Identity", {constant});
  test.graph.outputs = test.attend(view, "n");
  EXPECT_EQ(refusal(test.graph), "node n (oag.CachedAttention): updates %c, which is a constant");
}

TEST(Verifier, ANodeDoesNotUpdateAnotherOfItsInputs) {
  AttentionTest test;
  test.graph.outputs = test.attend(test.k, "n");
  EXPECT_EQ(refusal(test.graph), "node n (oag.CachedAttention): updates %k, which is its input 1 too");
}

TEST(Verifier, AStateOfOtherHeadsThanTheKeysIsRefused) {
  const auto with_state = [](Shape shape) {
    AttentionTest test;
    test.graph.value(test.state).type = floats(std::move(shape));
    test.graph.outputs = test.attend(test.state, "n");
    return refusal(test.graph);
  };
  const Dim pages = Dim::symbol("pages"), any = Dim::symbol("any");
  EXPECT_EQ(with_state({pages, 2, 2, 16, 8}), "accepted");
  EXPECT_EQ(with_state({pages, 2, any, any, any}), "accepted");
  const std::string expected = " does not belong to k [T, 2, 8]; it must be [pages, 2, 2, page tokens, 8]";
  const std::string place = "node n (oag.CachedAttention): state ";
  EXPECT_EQ(with_state({pages, 2, 4, 16, 8}), place + "[pages, 2, 4, 16, 8]" + expected);
  EXPECT_EQ(with_state({pages, 2, 2, 16, 16}), place + "[pages, 2, 2, 16, 16]" + expected);
  EXPECT_EQ(with_state({pages, 1, 2, 16, 8}), place + "[pages, 1, 2, 16, 8]" + expected);
  EXPECT_EQ(with_state({pages, 2, 2, 0, 8}), place + "[pages, 2, 2, 0, 8]" + expected);
  EXPECT_EQ(with_state({pages, 2, 2, 8}), place + "[pages, 2, 2, 8]" + expected);
}

}  // namespace
}  // namespace oag
