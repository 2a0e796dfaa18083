// The memory of a run: what the caller gives, what it gets, and what is let go.
#include "engine/session/executor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>

#include "base/error.h"
#include "tests/session_fixture.h"

namespace oag {
namespace {

using namespace session_test;

Tensor count(int64_t value) {
  return Tensor::of<int64_t>(DType::kI64, {}, std::span<const int64_t>(&value, 1));
}

// Outputs that occupy other memory than their own: views of an intermediate value, an input and a constant,
// and one whose dims depend on data.
Graph unusual_outputs() {
  Graph graph("unusual");
  const ValueId x = graph.add_input("x", ValueType::tensor(DType::kF32, Shape{Dim::symbol("N"), 2}));
  const ValueId dims = graph.add_input("dims", ValueType::tensor(DType::kI64, Shape{1}));
  const ValueId begin = graph.add_input("begin", ValueType::tensor(DType::kI64, Shape{}));
  const ValueId end = graph.add_input("end", ValueType::tensor(DType::kI64, Shape{}));
  const int64_t minus_one[] = {-1};
  const float seven[] = {7, 7};
  const ValueId flat = graph.add_constant("flat", Tensor::of<int64_t>(DType::kI64, {1}, minus_one));
  const ValueId square = graph.add("", "Mul", {x, x}, {}, "square");
  graph.outputs = {graph.add("", "Reshape", {square, flat}, {}, "view"),
                   graph.add("", "Identity", {square}, {}, "same_memory"),
                   graph.add("", "Identity", {x}, {}, "of_input"),
                   graph.add_constant("constant", Tensor::of<float>(DType::kF32, {2}, seven)),
                   graph.add("", "Reshape", {graph.add("", "Neg", {x}), dims}, {}, "by_data"),
                   graph.add("", "Range", {begin, end, graph.add_constant("one", count(1))}, {}, "range")};
  return graph;
}

RunBindings unusual_inputs(int64_t begin = 5) {
  return {{floats({1, 2, 3, 4}, {2, 2}), count(4).reshaped({1}), count(begin), count(begin + 3)}, {}};
}

TEST(RunMemory, WritesEveryKindOfOutputIntoMemoryOfTheCaller) {
  const Session session(test_runtime(), unusual_outputs());
  RunBindings bindings = unusual_inputs();
  bindings.outputs = {Tensor::host(DType::kF32, {4}),    Tensor::host(DType::kF32, {2, 2}),
                      Tensor::host(DType::kF32, {2, 2}), Tensor::host(DType::kF32, {2}),
                      Tensor::host(DType::kF32, {4}),    Tensor::host(DType::kI64, {3})};
  for (int round = 0; round < 2; ++round) {
    for (const Tensor& mine : bindings.outputs)
      std::fill(mine.bytes().begin(), mine.bytes().end(), std::byte{});
    std::vector<Tensor> outputs;
    ASSERT_EQ(session.run(bindings, RunControl(), outputs), RunState::kDone);
    ASSERT_EQ(outputs.size(), 6u);
    for (size_t o = 0; o < 6; ++o) EXPECT_EQ(outputs[o].data(), bindings.outputs[o].data()) << o;
    EXPECT_EQ(numbers(bindings.outputs[0]), (std::vector<float>{1, 4, 9, 16}));
    EXPECT_EQ(numbers(bindings.outputs[1]), (std::vector<float>{1, 4, 9, 16}));
    EXPECT_EQ(numbers(bindings.outputs[2]), (std::vector<float>{1, 2, 3, 4}));
    EXPECT_EQ(numbers(bindings.outputs[3]), (std::vector<float>{7, 7}));
    EXPECT_EQ(numbers(bindings.outputs[4]), (std::vector<float>{-1, -2, -3, -4}));
    EXPECT_EQ(numbers<int64_t>(bindings.outputs[5]), (std::vector<int64_t>{5, 6, 7}));
  }
}

// Buffers are kept for the next run of the same dims: those of a run that was right must not let a wrong one
// in.
TEST(RunMemory, LooksAtInputsInEveryRun) {
  const Session session(test_runtime(), unusual_outputs());
  const auto message = [&](const RunBindings& bindings) -> std::string {
    try {
      std::vector<Tensor> outputs;
      session.run(bindings, RunControl(), outputs);
      return numbers(outputs[0]) == std::vector<float>{1, 4, 9, 16} ? "right" : "wrong";
    } catch (const Error& error) {
      return error.what();
    }
  };
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(message(unusual_inputs()), "right");
    RunBindings bindings = unusual_inputs();
    bindings.inputs[0] = Tensor::host(DType::kI32, {2, 2});
    EXPECT_EQ(message(bindings), "input x: got i32 [2, 2], expected f32[N, 2]");
    bindings.inputs[0] = floats({1, 2, 3, 4, 5, 6}, {2, 3});
    EXPECT_EQ(message(bindings), "input x: got [2, 3], expected [N, 2]");
    bindings.inputs[0] = Tensor();
    EXPECT_EQ(message(bindings), "input x: got undefined [], expected f32[N, 2]");
    bindings.inputs.resize(3);
    EXPECT_EQ(message(bindings), "run: got 3 inputs, the graph unusual takes 4");
  }
}

TEST(RunMemory, RefusesMemoryThatAnOutputDoesNotFit) {
  const Session session(test_runtime(), unusual_outputs());
  const auto message = [&](size_t output, Tensor memory) -> std::string {
    RunBindings bindings = unusual_inputs();
    bindings.outputs.resize(output + 1);
    bindings.outputs[output] = std::move(memory);
    try {
      std::vector<Tensor> outputs;
      session.run(bindings, RunControl(), outputs);
      return "accepted";
    } catch (const Error& error) {
      return error.what();
    }
  };
  EXPECT_EQ(message(0, Tensor::host(DType::kF32, {2, 2})),
            "output view: got memory for f32 [2, 2], expected f32 [4]");
  EXPECT_EQ(message(2, Tensor::host(DType::kF64, {2, 2})),
            "output of_input: got memory for f64 [2, 2], expected f32 [2, 2]");
  EXPECT_EQ(message(4, Tensor::host(DType::kI8, {4})),
            "output by_data: got memory for i8 [4], expected f32 [4]");
  EXPECT_EQ(message(5, Tensor::host(DType::kI64, {4})),
            "output range: got memory for i64 [4], expected i64 [3]");
  EXPECT_EQ(message(6, Tensor::host(DType::kF32, {1})),
            "run: got memory for 7 outputs, the graph unusual has 6");
}

// The input is still read once the first output is made.
TEST(RunMemory, AnOutputMayTakeTheMemoryOfAnInput) {
  Graph graph("in_place");
  const ValueId x = graph.add_input("x", ValueType::tensor(DType::kF32, Shape{Dim::symbol("N")}));
  const ValueId negative = graph.add("", "Neg", {x});
  graph.outputs = {negative, graph.add("", "Sub", {x, negative})};
  const Session session(test_runtime(), std::move(graph));
  const Tensor mine = floats({1, 2, 3}, {3});
  std::vector<Tensor> outputs;
  ASSERT_EQ(session.run({{mine}, {mine}}, RunControl(), outputs), RunState::kDone);
  EXPECT_EQ(numbers(mine), (std::vector<float>{-1, -2, -3}));
  EXPECT_EQ(numbers(outputs[1]), (std::vector<float>{2, 4, 6}));
}

// c = -x + e^x, next to its summands.
TEST(RunMemory, RefusesMemoryThatTwoOutputsShare) {
  Graph graph("shared");
  const ValueId x = graph.add_input("x", ValueType::tensor(DType::kF32, Shape{Dim::symbol("N")}));
  const ValueId a = graph.add("", "Neg", {x}, {}, "a"), b = graph.add("", "Exp", {x}, {}, "b");
  graph.outputs = {graph.add("", "Add", {a, b}, {}, "c"), a, b};
  const Session session(test_runtime(), std::move(graph));
  const auto buffer = floats({0, 0, 0, 0}, {4}).buffer();
  const auto place = [&](size_t first) { return Tensor(DType::kF32, {2}, buffer, first * sizeof(float)); };
  std::vector<Tensor> outputs;
  for (const size_t second : {size_t{0}, size_t{1}}) {
    try {
      session.run({{floats({0, 1}, {2})}, {Tensor(), place(0), place(second)}}, RunControl(), outputs);
      ADD_FAILURE() << "two outputs were written to one place";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_STREQ(error.what(), "output b: its memory overlaps that of output a; give each its own");
    }
  }
  ASSERT_EQ(session.run({{floats({0, 1}, {2})}, {Tensor(), place(0), place(2)}}, RunControl(), outputs),
            RunState::kDone);
  EXPECT_EQ(numbers(outputs[0])[0], 1);
  EXPECT_EQ(numbers(outputs[1]), (std::vector<float>{0, -1}));
}

TEST(RunMemory, AnOutputThatShowsAnInputIsNotOverwrittenByAnotherOne) {
  Graph graph("shown");
  const ValueId x = graph.add_input("x", ValueType::tensor(DType::kF32, Shape{Dim::symbol("N")}));
  graph.outputs = {graph.add("", "Neg", {x}, {}, "negative"), graph.add("", "Identity", {x}, {}, "same")};
  const Session session(test_runtime(), std::move(graph));
  std::vector<Tensor> outputs;
  const Tensor mine = floats({1, 2}, {2});
  try {
    session.run({{mine}, {mine}}, RunControl(), outputs);
    ADD_FAILURE() << "the output \"same\" shows other values than the input's";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_STREQ(
        error.what(),
        "output negative: its memory is what output same shows, an input's or a constant's; give same "
        "memory of its own");
  }
  EXPECT_EQ(numbers(mine), (std::vector<float>{1, 2}));
  const Tensor same = floats({0, 0}, {2});
  ASSERT_EQ(session.run({{mine}, {mine, same}}, RunControl(), outputs), RunState::kDone);
  EXPECT_EQ(numbers(mine), (std::vector<float>{-1, -2}));
  EXPECT_EQ(numbers(same), (std::vector<float>{1, 2}));
}

TEST(RunMemory, ARunThatFailsReturnsItsBuffers) {
  const Session session(test_runtime(), unusual_outputs());
  std::weak_ptr<Buffer> input;
  std::vector<Tensor> outputs;
  {
    RunBindings bindings = unusual_inputs();
    bindings.inputs[1] = count(5).reshaped({1});  // 4 values do not become 5
    input = bindings.inputs[0].buffer();
    EXPECT_THROW(session.run(bindings, RunControl(), outputs), Error);
  }
  EXPECT_TRUE(input.expired());
  ASSERT_EQ(session.run(unusual_inputs(), RunControl(), outputs), RunState::kDone);
  EXPECT_EQ(numbers(outputs[0]), (std::vector<float>{1, 4, 9, 16}));
}

TEST(RunMemory, ASubmittedRunHasLetGoOfItsInputsWhenItEnds) {
  const Session session(test_runtime(), polynomial());
  RunBindings bindings{{floats({3}, {1})}, {}};
  const std::weak_ptr<Buffer> input = bindings.inputs[0].buffer();
  std::promise<bool> held;
  const RunHandle handle = [&] {
    const RunHandle submitted = session.submit(std::move(bindings));
    submitted.on_done([&](RunState) { held.set_value(!input.expired()); });
    return submitted;
  }();
  EXPECT_FALSE(held.get_future().get());
  EXPECT_EQ(handle.outputs()[0].values<float>()[0], 27);
}

TEST(RunMemory, AnUpdatedStateIsCopiedWhereTheCallerWantsIt) {
  Graph graph("attention");
  const auto heads = [](int64_t count) {
    return ValueType::tensor(DType::kF32, Shape{Dim::symbol("T"), count, 8});
  };
  const ValueId q = graph.add_input("q", heads(1)), k = graph.add_input("k", heads(1));
  const ValueId state = graph.add_input("kv", {TypeKind::kState, DType::kUndefined, std::nullopt, nullptr});
  graph.outputs = {graph.add_node("oag", "CachedAttention", {q, k, k, state}, {}, 2).outputs[1]};
  CompileOptions options;
  options.cache_dtype = DType::kF32;
  options.cache_page_tokens = 1;
  const Session session(test_runtime(), std::move(graph), options);
  const Tensor cache = floats(std::vector<float>(16, 0.0f), {1, 2, 1, 1, 8}),
               mine = floats(std::vector<float>(16, 0.0f), cache.dims());
  const std::vector<float> ones(8, 1.0f);
  const int32_t starts[] = {0, 1}, one[] = {1}, page[] = {0};
  RunBindings bindings{
      {floats(ones, {1, 1, 8}), floats(ones, {1, 1, 8}), cache, Tensor::of<int32_t>(DType::kI32, {2}, starts),
       Tensor::of<int32_t>(DType::kI32, {1}, one), Tensor::of<int32_t>(DType::kI32, {1, 1}, page)},
      {mine}};
  std::vector<Tensor> outputs;
  ASSERT_EQ(session.run(bindings, RunControl(), outputs), RunState::kDone);
  EXPECT_EQ(numbers(cache), std::vector<float>(16, 1.0f));
  EXPECT_EQ(numbers(mine), std::vector<float>(16, 1.0f));
}

TEST(RunMemory, OutputsOfDimsThatDependOnDataAreNotWrittenByLaterRuns) {
  const Session session(test_runtime(), unusual_outputs());
  std::vector<Tensor> first, second;
  ASSERT_EQ(session.run(unusual_inputs(), RunControl(), first), RunState::kDone);
  RunBindings other = unusual_inputs(10);  // the same dims
  other.inputs[0] = floats({5, 6, 7, 8}, {2, 2});
  ASSERT_EQ(session.run(other, RunControl(), second), RunState::kDone);
  EXPECT_EQ(numbers(first[0]), (std::vector<float>{1, 4, 9, 16}));
  EXPECT_EQ(numbers(first[4]), (std::vector<float>{-1, -2, -3, -4}));
  EXPECT_EQ(numbers<int64_t>(first[5]), (std::vector<int64_t>{5, 6, 7}));
  EXPECT_EQ(numbers(second[0]), (std::vector<float>{25, 36, 49, 64}));
  EXPECT_EQ(numbers(second[4]), (std::vector<float>{-5, -6, -7, -8}));
  EXPECT_EQ(numbers<int64_t>(second[5]), (std::vector<int64_t>{10, 11, 12}));
}

TEST(RunMemory, NothingOfARunIsKeptAfterIt) {
  const Session session(test_runtime(), unusual_outputs());
  std::vector<std::weak_ptr<Buffer>> buffers;
  {
    RunBindings bindings = unusual_inputs();
    bindings.outputs = {Tensor::host(DType::kF32, {4})};
    std::vector<Tensor> outputs;
    ASSERT_EQ(session.run(bindings, RunControl(), outputs), RunState::kDone);
    for (const auto* tensors : {&bindings.inputs, &bindings.outputs, &outputs}) {
      for (const Tensor& tensor : *tensors) buffers.push_back(tensor.buffer());
    }
    buffers.erase(buffers.end() - 3);  // the constant: the session's own
  }
  for (size_t b = 0; b < buffers.size(); ++b) EXPECT_TRUE(buffers[b].expired()) << b;
}

// By data has four elements, of which dims makes [3]; the range wants 2^50 numbers.
TEST(RunMemory, WhatCannotBeMadeNamesTheNode) {
  const Session session(test_runtime(), unusual_outputs());
  const auto error_of = [&](const RunBindings& bindings) -> std::string {
    try {
      std::vector<Tensor> outputs;
      session.run(bindings, RunControl(), outputs);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  };
  RunBindings wrong = unusual_inputs();
  wrong.inputs[1] = count(3).reshaped({1});
  EXPECT_EQ(error_of(wrong).find("node by_data (Reshape): "), 0u) << error_of(wrong);
  RunBindings huge = unusual_inputs();
  huge.inputs[3] = count(int64_t{1} << 50);
  EXPECT_EQ(error_of(huge).find("node range (Range): memory: cannot allocate "), 0u) << error_of(huge);
}

}  // namespace
}  // namespace oag
