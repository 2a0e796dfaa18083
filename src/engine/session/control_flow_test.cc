// Graphs with bodies, run as a session runs them. What their operators compute, ONNX's own suite checks.
#include <gtest/gtest.h>

#include <chrono>

#include "base/error.h"
#include "tests/session_fixture.h"

namespace oag {
namespace {

using namespace session_test;

ValueType number_type(Shape shape = {}) {
  return ValueType::tensor(DType::kF32, std::move(shape));
}

Tensor count(int64_t value) {
  return Tensor::of<int64_t>(DType::kI64, {}, {&value, 1});
}

Tensor truth(bool value) {
  return Tensor::of<bool>(DType::kBool, {}, {&value, 1});
}

// (round, condition, state, captured) -> (condition, make(state, captured), state)
template <typename Make>
GraphPtr loop_body(Make make) {
  Graph body("body");
  body.add_input("round", ValueType::tensor(DType::kI64, Shape{}));
  const ValueId condition = body.add_input("condition", ValueType::tensor(DType::kBool, Shape{}));
  const ValueId state = body.add_input("state", number_type()),
                captured = body.add_input("captured", number_type());
  body.outputs = {body.add("", "Identity", {condition}), make(body, state, captured),
                  body.add("", "Identity", {state})};
  return std::make_shared<const Graph>(std::move(body));
}

// x [N] f32 runs through a Loop of `rounds` (all there are without) that also reads x + x.
Graph looping(std::optional<int64_t> rounds, GraphPtr body) {
  Graph graph("looping");
  const ValueId x = graph.add_input("x", number_type({Dim::symbol("N")}));
  const ValueId twice = graph.add("", "Add", {x, x});
  const ValueId limit = rounds ? graph.add_constant("M", count(*rounds)) : kNoValue;
  const Node& loop = graph.add_node("", "Loop", {limit, graph.add_constant("go", truth(true)), x, twice},
                                    {{"body", std::move(body)}, {"captures", int64_t{1}}}, 2);
  graph.outputs = loop.outputs;
  return graph;
}

std::vector<Tensor> run(const Graph& graph, std::vector<Tensor> inputs) {
  const Session session(test_runtime(), graph);
  std::vector<Tensor> outputs;
  for (int round = 0; round < 2; ++round)  // the second run has the first one's buffers
    EXPECT_EQ(session.run({inputs, {}}, RunControl(), outputs), RunState::kDone);
  return outputs;
}

const auto kAdd = [](Graph& body, ValueId state, ValueId captured) {
  return body.add("", "Add", {state, captured});
};
const auto kKeep = [](Graph& body, ValueId, ValueId captured) {
  return body.add("", "Identity", {captured});
};

TEST(ControlFlow, ALoopReadsWhatItsGraphComputed) {
  const std::vector<Tensor> outputs = run(looping(3, loop_body(kAdd)), {floats({1, 10}, {2})});
  EXPECT_EQ(numbers(outputs[0]), (std::vector<float>{7, 70}));
  EXPECT_EQ(outputs[1].dims(), Dims({3, 2}));
  EXPECT_EQ(numbers(outputs[1]), (std::vector<float>{1, 10, 3, 30, 5, 50}));
}

TEST(ControlFlow, ALoopWithoutRoundsKeepsItsState) {
  const Tensor x = floats({1, 2, 3}, {3});
  const std::vector<Tensor> outputs = run(looping(0, loop_body(kAdd)), {x});
  EXPECT_EQ(numbers(outputs[0]), (std::vector<float>{1, 2, 3}));
  EXPECT_NE(outputs[0].data(), x.data());
  EXPECT_EQ(outputs[1].count(), 0);
}

TEST(ControlFlow, WhatABodyOnlyPassesOnOutlivesTheRun) {
  const Session session(test_runtime(), looping(1, loop_body(kKeep)));
  std::vector<Tensor> first, second;
  ASSERT_EQ(session.run({{floats({1}, {1})}, {}}, RunControl(), first), RunState::kDone);
  ASSERT_EQ(session.run({{floats({5}, {1})}, {}}, RunControl(), second), RunState::kDone);
  EXPECT_EQ(numbers(first[0]), std::vector<float>{2});
  EXPECT_EQ(numbers(second[0]), std::vector<float>{10});
}

TEST(ControlFlow, AnEndlessLoopMeetsItsDeadline) {
  const Session session(test_runtime(), looping(std::nullopt, loop_body(kKeep)));
  std::vector<Tensor> outputs;
  const RunControl control(0, Clock::now() + std::chrono::milliseconds(50));
  EXPECT_EQ(session.run({{floats({1}, {1})}, {}}, control, outputs), RunState::kDeadlineExceeded);
}

TEST(ControlFlow, BodiesThatDoNotFitAreRefusedByName) {
  const auto message = [](const Graph& graph) -> std::string {
    try {
      const Session session(test_runtime(), graph);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  Graph graph = looping(1, loop_body([](Graph& body, ValueId state, ValueId) {
                          return body.add("", "Cast", {state}, {{"to", int64_t{7}}});
                        }));
  EXPECT_EQ(message(graph), "node Loop_1 (Loop): state 0 is f32[N], but its body makes it i64[N]");
  graph = looping(1, loop_body(kAdd));
  graph.nodes[1].attributes["captures"] = int64_t{9};
  EXPECT_EQ(message(graph), "node Loop_1 (Loop): has 4 inputs and captures 9 of them; it needs 2 of its own");
  graph.nodes[1].attributes["captures"] = int64_t{1};
  graph.nodes[1].inputs.pop_back();
  EXPECT_EQ(message(graph), "node Loop_1 (Loop): its body body takes 4 inputs, the node gives it 3");
}

}  // namespace
}  // namespace oag
