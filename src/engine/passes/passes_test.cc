#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

#include "base/error.h"
#include "engine/ops/verify.h"
#include "engine/passes/pass.h"

namespace oag {
namespace {

class FixedTraits final : public TargetTraits {
 public:
  explicit FixedTraits(bool fused) : fused_(fused) {}
  bool has_kernel(std::string_view, std::string_view, std::span<const DType>) const override {
    return fused_;
  }

 private:
  bool fused_;
};

ValueType floats(Shape shape) {
  return ValueType::tensor(DType::kF32, std::move(shape));
}

PassContext context_for(const TargetTraits* traits = nullptr, DType cache = DType::kF16) {
  return {OperatorRegistry::builtin(), traits, cache, 16};
}

size_t count(const Graph& graph, std::string_view op) {
  return static_cast<size_t>(
      std::count_if(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) { return node.op == op; }));
}

const Pass& pass(std::string_view name) {
  for (const Pass* known : all_passes()) {
    if (known->name == name) return *known;
  }
  throw std::runtime_error("no such pass");
}

Graph gated(bool second_use) {
  Graph graph;
  const Shape shape = {Dim::symbol("T"), 8};
  const ValueId gate = graph.add_input("gate", floats(shape)), up = graph.add_input("up", floats(shape));
  const ValueId activated = graph.add("", "Swish", {gate});
  graph.outputs.push_back(graph.add("", "Mul", {up, activated}));
  if (second_use) graph.outputs.push_back(activated);
  return graph;
}

TEST(FuseSwiGLU, FusesWhereTheTargetHasTheKernel) {
  const FixedTraits with(true), without(false);
  Graph fused = gated(false);
  run_passes(fused, context_for(&with));
  ASSERT_EQ(fused.nodes.size(), 1u);
  EXPECT_EQ(fused.nodes[0].full_op(), "oag.SwiGLU");
  EXPECT_EQ(fused.nodes[0].inputs, fused.inputs);  // gate first, although Mul had it second
  Graph plain = gated(false);
  run_passes(plain, context_for(&without));
  EXPECT_EQ(count(plain, "Swish"), 1u);
}

TEST(FuseSwiGLU, LeavesAnActivationThatOthersUse) {
  const FixedTraits with(true);
  Graph graph = gated(true);
  run_passes(graph, context_for(&with));
  EXPECT_EQ(count(graph, "SwiGLU"), 0u);
}

// Equal ranks that nobody knows are not equal shapes: Mul may broadcast, SwiGLU does not.
TEST(FuseSwiGLU, LeavesOperandsOfUnknownRank) {
  const FixedTraits with(true);
  Graph graph;
  const ValueType unknown = ValueType::tensor(DType::kF32, std::nullopt);
  const ValueId gate = graph.add_input("gate", unknown), up = graph.add_input("up", unknown);
  graph.outputs.push_back(graph.add("", "Mul", {graph.add("", "Swish", {gate}), up}));
  run_passes(graph, context_for(&with));
  EXPECT_EQ(count(graph, "SwiGLU"), 0u);
}

Graph attention(int64_t head_size) {
  Graph graph;
  const Dim tokens = Dim::symbol("T");
  const ValueId q = graph.add_input("q", floats({tokens, 4, head_size})),
                k = graph.add_input("k", floats({tokens, 2, head_size}));
  const ValueId state = graph.add_input("kv.0", {TypeKind::kState, DType::kUndefined, std::nullopt, nullptr});
  const Node& node = graph.add_node("oag", "CachedAttention", {q, k, k, state}, {}, 2, "attention");
  graph.outputs = node.outputs;
  return graph;
}

TEST(LowerAttention, TurnsStatesIntoPagedTensors) {
  Graph graph = attention(32);
  run_passes(graph, context_for(nullptr, DType::kQ8_0));
  ASSERT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(graph.nodes[0].op, "PagedAttention");
  const ValueType& state = graph.value(*graph.find_value("kv.0")).type;
  EXPECT_EQ(state.kind, TypeKind::kTensor);
  EXPECT_EQ(state.dtype, DType::kQ8_0);
  EXPECT_EQ(to_string(*state.shape), "[cache_pages, 2, 2, 16, 32]");
  EXPECT_TRUE(graph.find_value("page_table") && graph.find_value("sequence_starts") &&
              graph.find_value("context_lengths"));
  EXPECT_EQ(to_string(*graph.value(graph.outputs[1]).type.shape), "[cache_pages, 2, 2, 16, 32]");
}

TEST(LowerAttention, RefusesAQ8CacheOfOddHeads) {
  Graph graph = attention(48);
  EXPECT_THROW(run_passes(graph, context_for(nullptr, DType::kQ8_0)), Error);
}

TEST(EliminateCommon, MergesTwinsAndTheirConsumers) {
  Graph graph;
  const ValueId x = graph.add_input("x", floats({4}));
  const ValueId a = graph.add("", "Neg", {x}), b = graph.add("", "Neg", {x});
  graph.outputs.push_back(graph.add("", "Add", {graph.add("", "Exp", {a}), graph.add("", "Exp", {b})}));
  run_passes(graph, context_for());
  EXPECT_EQ(count(graph, "Neg"), 1u);
  EXPECT_EQ(count(graph, "Exp"), 1u);
}

TEST(EliminateCommon, KeepsNodesThatDifferInAnAttribute) {
  Graph graph;
  const ValueId x = graph.add_input("x", floats({4}));
  const ValueId a = graph.add("", "Swish", {x}, {{"alpha", 1.0f}}),
                b = graph.add("", "Swish", {x}, {{"alpha", 2.0f}});
  graph.outputs.push_back(graph.add("", "Add", {a, b}));
  run_passes(graph, context_for());
  EXPECT_EQ(count(graph, "Swish"), 2u);
}

// The pass alone: the verifier refuses such a graph, and a pass must not rely on that.
TEST(EliminateCommon, NeverMergesUpdatesOfState) {
  Graph graph = attention(32);
  Node second = graph.nodes[0];
  second.name = "again";
  second.outputs = {graph.add_value("again.out"), graph.add_value("again.state")};
  graph.outputs.insert(graph.outputs.end(), second.outputs.begin(), second.outputs.end());
  graph.nodes.push_back(second);
  EXPECT_FALSE(pass("eliminate_common").run(graph, context_for()));
}

// Two equal LayerNormalizations, of whose outputs (y, mean, deviation) some are left out. Each of those that
// are given is used; so is an input that a Clip leaves out.
Graph normalized_twice(const std::vector<bool>& first_gives, const std::vector<bool>& second_gives) {
  Graph graph;
  const ValueId x = graph.add_input("x", floats({2, 4})), scale = graph.add_input("scale", floats({4}));
  for (const auto& gives : {first_gives, second_gives}) {
    Node& node = graph.add_node("", "LayerNormalization", {x, scale}, {}, gives.size());
    for (size_t o = 0; o < gives.size(); ++o) {
      if (!gives[o]) node.outputs[o] = kNoValue;
    }
  }
  const Node first = graph.nodes[0], second = graph.nodes[1];
  for (const Node* node : {&first, &second}) {
    for (const ValueId output : node->outputs) {
      if (output != kNoValue) graph.outputs.push_back(graph.add("", "Neg", {output}));
    }
  }
  graph.outputs.push_back(graph.add("", "Clip", {x, kNoValue, graph.add_input("most", floats({}))}));
  return graph;
}

TEST(EliminateCommon, MergesANodeThatLeavesOutOutputsOfItsTwin) {
  Graph graph = normalized_twice({true, true, true}, {true, false, false});
  run_passes(graph, context_for());
  EXPECT_EQ(count(graph, "LayerNormalization"), 1u);
  EXPECT_EQ(count(graph, "Neg"), 3u);
  EXPECT_EQ(graph.nodes.back().op, "Clip");
  EXPECT_EQ(graph.nodes.back().inputs[1], kNoValue);
}

TEST(EliminateCommon, KeepsANodeThatGivesOutputsItsTwinLeavesOut) {
  Graph graph = normalized_twice({true, false, false}, {true, true, true});
  run_passes(graph, context_for());
  EXPECT_EQ(count(graph, "LayerNormalization"), 2u);
  EXPECT_EQ(count(graph, "Neg"), 4u);
}

TEST(EliminateDead, RemovesChainsThatNothingUses) {
  Graph graph;
  const ValueId x = graph.add_input("x", floats({4}));
  graph.add("", "Exp", {graph.add("", "Neg", {x})});
  graph.outputs.push_back(graph.add("", "Sqrt", {x}));
  run_passes(graph, context_for());
  ASSERT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(graph.nodes[0].op, "Sqrt");
}

}  // namespace
}  // namespace oag
