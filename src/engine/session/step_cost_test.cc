// What a step costs, against counts worked out by hand, and who is told of it.
#include "engine/session/step_cost.h"

#include <gtest/gtest.h>

#include "engine/session/step_observer.h"
#include "tests/session_fixture.h"

namespace oag {
namespace {

using namespace session_test;

class Recorder final : public StepObserver {
 public:
  explicit Recorder(const Program& program) : program_(program) {}
  void on_step(size_t step, const KernelContext& context, TimePoint begin, TimePoint end) override {
    EXPECT_LE(begin, end);
    steps.push_back(step);
    kinds.push_back(step_kind(program_, program_.steps[step]));
    costs.push_back(step_cost(program_.steps[step], context));
  }
  std::vector<size_t> steps;
  std::vector<StepKind> kinds;
  std::vector<StepCost> costs;

 private:
  const Program& program_;
};

Recorder observe(const Session& session, RunBindings bindings) {
  Recorder recorder(session.program());
  bindings.observer = &recorder;
  std::vector<Tensor> outputs;
  EXPECT_EQ(session.run(bindings, RunControl(), outputs), RunState::kDone);
  return recorder;
}

Tensor zeros(DType dtype, Dims dims) {
  Tensor tensor = Tensor::host(dtype, std::move(dims));
  std::fill(tensor.bytes().begin(), tensor.bytes().end(), std::byte{});
  return tensor;
}

ValueId input(Graph& graph, const char* name, Shape shape, DType dtype = DType::kF32) {
  return graph.add_input(name, ValueType::tensor(dtype, std::move(shape)));
}

TEST(StepObserver, IsToldOfEveryStepOnceInOrder) {
  const Session session(test_runtime(), polynomial());
  const RunBindings bindings{{floats({1, 2, 3}, {3})}, {}};
  const Recorder recorder = observe(session, bindings);
  EXPECT_EQ(recorder.steps, (std::vector<size_t>{0, 1, 2}));
  std::vector<Tensor> outputs;  // a later run without it tells nobody
  ASSERT_EQ(session.run(bindings, RunControl(), outputs), RunState::kDone);
  EXPECT_EQ(recorder.steps.size(), 3u);
}

TEST(StepCost, OfElementwiseOperatorsIsWhatTheyReadAndWrite) {
  const Session session(test_runtime(), polynomial());
  const Recorder recorder = observe(session, {{floats({1, 2, 3}, {3})}, {}});
  EXPECT_DOUBLE_EQ(recorder.costs[0].bytes, 4 * (3 + 1 + 3));  // x, two, product
  EXPECT_DOUBLE_EQ(recorder.costs[1].bytes, 4 * (3 + 3 + 3));
  EXPECT_DOUBLE_EQ(recorder.costs[1].f32_ops + recorder.costs[1].int8_ops, 0);
  EXPECT_EQ(recorder.kinds[0].shape, "[N]");
}

TEST(StepCost, OfProductsCountsPackedWeightsOnceAndTwoOperationsPerMultiplyAdd) {
  Graph graph("products");
  const ValueId x = input(graph, "x", Shape{Dim::symbol("T"), 64});
  const ValueId w[] = {graph.add_constant("w0", zeros(DType::kQ8_0, {96, 64})),
                       graph.add_constant("w1", zeros(DType::kQ4_1, {32, 64}))};
  const ValueId y = graph.add("oag", "Linear", {x, w[0]});
  const ValueId z = graph.add("oag", "Linear", {x, w[1]});
  const ValueId f = graph.add_constant("f", zeros(DType::kF32, {8, 64}));
  graph.outputs = {y, z, graph.add("oag", "Linear", {graph.add("", "Neg", {x}), f})};
  const Session session(test_runtime(), std::move(graph));
  const Recorder recorder = observe(session, {{zeros(DType::kF32, {5, 64})}, {}});
  ASSERT_EQ(recorder.kinds.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    const StepKind& kind = recorder.kinds[i];
    const StepCost& cost = recorder.costs[i];
    const auto packed =
        static_cast<double>(session.program().steps[recorder.steps[i]].kernel->packed_bytes());
    if (kind.op == "oag.MultiLinear") {
      EXPECT_EQ(kind.weights, "q8_0+q4_1");
      EXPECT_EQ(kind.shape, "64>96+32");
      EXPECT_GT(packed, 96 * 64 + 32 * 32);
      EXPECT_DOUBLE_EQ(cost.bytes, packed + 4 * 5 * (64 + 96 + 32));
      EXPECT_DOUBLE_EQ(cost.int8_ops, 2.0 * 5 * 64 * (96 + 32));
      EXPECT_DOUBLE_EQ(cost.f32_ops, 0);
    } else if (kind.op == "oag.Linear") {
      EXPECT_EQ(kind.shape, "64>8");
      EXPECT_DOUBLE_EQ(cost.bytes, 4.0 * (8 * 64 + 5 * 64 + 5 * 8));
      EXPECT_DOUBLE_EQ(cost.f32_ops, 2.0 * 5 * 64 * 8);
    } else {
      EXPECT_EQ(kind.op, "Neg");
    }
  }
  // A step that wants nothing of a product does not read its weights.
  const Recorder empty = observe(session, {{zeros(DType::kF32, {0, 64})}, {}});
  for (const StepCost& cost : empty.costs) EXPECT_DOUBLE_EQ(cost.bytes + cost.int8_ops + cost.f32_ops, 0);
}

TEST(StepCost, OfALookupCountsTheRowsThatAreTaken) {
  Graph graph("lookup");
  const ValueId ids = input(graph, "ids", Shape{Dim::symbol("T")}, DType::kI32);
  const ValueId table = graph.add_constant("table", zeros(DType::kQ8_0, {1000, 32}));
  graph.outputs = {graph.add("", "Gather", {table, ids})};
  const Session session(test_runtime(), std::move(graph));
  const Recorder recorder = observe(session, {{zeros(DType::kI32, {3})}, {}});
  EXPECT_DOUBLE_EQ(recorder.costs[0].bytes, 3 * 34 + 3 * 4 + 3 * 32 * 4);  // rows, ids, output
  EXPECT_EQ(recorder.kinds[0].weights, "q8_0");
}

// Two sequences: 3 new tokens behind 10, and 1 behind 7; 4 query heads and 2 key heads of 32.
TEST(StepCost, OfAttentionFollowsEachSequencesPast) {
  Graph graph("attention");
  const Dim tokens = Dim::symbol("T");
  const std::vector<ValueId> inputs = {input(graph, "q", Shape{tokens, 4, 32}),
                                       input(graph, "k", Shape{tokens, 2, 32}),
                                       input(graph, "v", Shape{tokens, 2, 32}),
                                       input(graph, "state", Shape{2, 2, 2, 16, 32}, DType::kF16),
                                       input(graph, "starts", Shape{3}, DType::kI32),
                                       input(graph, "contexts", Shape{2}, DType::kI32),
                                       input(graph, "table", Shape{2, 1}, DType::kI32)};
  graph.value(inputs[3]).type.kind = TypeKind::kState;
  const Node& node = graph.add_node("oag", "PagedAttention", inputs, {}, 2);
  graph.outputs = {node.outputs[0], node.outputs[1]};
  const Session session(test_runtime(), std::move(graph));
  const auto ints = [](std::vector<int32_t> values, Dims dims) {
    return Tensor::of<int32_t>(DType::kI32, std::move(dims), std::span<const int32_t>(values));
  };
  const Recorder recorder =
      observe(session, {{zeros(DType::kF32, {4, 4, 32}), zeros(DType::kF32, {4, 2, 32}),
                         zeros(DType::kF32, {4, 2, 32}), zeros(DType::kF16, {2, 2, 2, 16, 32}),
                         ints({0, 3, 4}, {3}), ints({13, 8}, {2}), ints({0, 1}, {2, 1})},
                        {}});
  ASSERT_EQ(recorder.costs.size(), 1u);
  EXPECT_EQ(recorder.kinds[0].shape, "4:2x32");
  EXPECT_EQ(recorder.kinds[0].weights, "f16");
  EXPECT_DOUBLE_EQ(recorder.costs[0].f32_ops, 2 * 2 * (11 + 12 + 13 + 8) * 4 * 32);
  const double position = 2 * 2 * 32 * 2, values = 4.0 * 4 * (4 + 2 + 2 + 4) * 32;
  EXPECT_DOUBLE_EQ(recorder.costs[0].bytes, values + position * (13 + 8 + 4));
}

// 2 batches, 4 query heads on 2 key heads, 5 queries, 7 keys of 8 values, values of 6.
TEST(StepCost, OfStreamedAttentionCountsTheKeysThatEachQueryMayLookAt) {
  const auto cost = [](Attributes attributes, std::vector<int64_t> valid) {
    Graph graph("attention");
    std::vector<ValueId> inputs = {input(graph, "q", Shape{2, 4, 5, 8}), input(graph, "k", Shape{2, 2, 7, 8}),
                                   input(graph, "v", Shape{2, 2, 7, 6})};
    RunBindings bindings{{zeros(DType::kF32, {2, 4, 5, 8}), zeros(DType::kF32, {2, 2, 7, 8}),
                          zeros(DType::kF32, {2, 2, 7, 6})},
                         {}};
    if (!valid.empty()) {
      inputs.insert(inputs.end(),
                    {kNoValue, kNoValue, kNoValue, input(graph, "valid", Shape{2}, DType::kI64)});
      bindings.inputs.push_back(Tensor::of<int64_t>(DType::kI64, {2}, std::span<const int64_t>(valid)));
    }
    graph.outputs = {graph.add("", "Attention", inputs, std::move(attributes))};
    const Session session(test_runtime(), std::move(graph));
    const Recorder recorder = observe(session, bindings);
    EXPECT_EQ(recorder.costs.size(), 1u);
    return recorder.costs[0];
  };
  const double per_key = 2.0 * 4 * (8 + 6);  // of 4 heads: a product with the key, one with the value
  const double values = 4.0 * (2 * 4 * 5 * 8 + 2 * 2 * 7 * (8 + 6) + 2 * 4 * 5 * 6);
  EXPECT_DOUBLE_EQ(cost({}, {}).f32_ops, per_key * 2 * 5 * 7);
  EXPECT_DOUBLE_EQ(cost({}, {}).bytes, values);
  EXPECT_DOUBLE_EQ(cost({{"is_causal", int64_t{1}}}, {}).f32_ops, per_key * 2 * (1 + 2 + 3 + 4 + 5));
  // Query i sees keys i - 2 to i + 1.
  EXPECT_DOUBLE_EQ(cost({{"left_window_size", int64_t{2}}, {"right_window_size", int64_t{1}}}, {}).f32_ops,
                   per_key * 2 * (2 + 3 + 4 + 4 + 4));
  // The last 2 keys of one batch are padding; its queries stand at 0 to 4, those of the other at 2 to 6.
  const StepCost padded = cost({{"is_causal", int64_t{1}}}, {5, 7});
  EXPECT_DOUBLE_EQ(padded.f32_ops, per_key * ((1 + 2 + 3 + 4 + 5) + (3 + 4 + 5 + 6 + 7)));
  EXPECT_DOUBLE_EQ(padded.bytes, values + 2 * 8);
  EXPECT_DOUBLE_EQ(padded.int8_ops, 0);
}

}  // namespace
}  // namespace oag
