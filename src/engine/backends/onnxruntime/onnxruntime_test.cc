#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/error.h"
#include "engine/backends/onnxruntime/onnxruntime_library.h"
#include "engine/tensor/container.h"
#include "tests/session_fixture.h"

namespace oag {
namespace {

using namespace session_test;

// The library that tools/setup installs, unless another is named.
void name_library() {
  const std::filesystem::path folder =
      std::filesystem::path(OAG_SOURCE_DIR) / "build/python/onnxruntime/capi";
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("libonnxruntime.so.")) ::setenv("OAG_ONNXRUNTIME", entry.path().c_str(), 0);
  }
}

class OnnxRuntime : public testing::Test {
 protected:
  void SetUp() override {
    name_library();
    try {
      onnxruntime::Library::get();
    } catch (const Error& error) {
      GTEST_SKIP() << error.what();
    }
  }
};

std::shared_ptr<Runtime> engine_runtime(int threads = 2) {
  return std::make_shared<Runtime>(RuntimeOptions{default_backends(), "onnxruntime", threads});
}

std::vector<Tensor> run(const Session& session, std::vector<Tensor> inputs) {
  std::vector<Tensor> outputs;
  EXPECT_EQ(session.run({std::move(inputs), {}}, RunControl(), outputs), RunState::kDone);
  return outputs;
}

// device of each operator, as explain() says.
std::string devices_of(const Program& program) {
  std::string text;
  for (const ExplainRow& row : explain(program))
    text += (text.empty() ? "" : " ") + row.op + ":" + row.device.substr(0, row.device.find_first_of("@:"));
  return text;
}

TEST_F(OnnxRuntime, ComputesAWholeModel) {
  const Session session(engine_runtime(), polynomial());
  EXPECT_EQ(devices_of(session.program()), "Mul:onnxruntime Add:onnxruntime");
  EXPECT_EQ(numbers(run(session, {floats({1, 2, -3}, {3})})[0]), (std::vector<float>{3, 12, 27}));
  EXPECT_EQ(numbers(run(session, {floats({10}, {1})})[0]), (std::vector<float>{300})) << "other dims";
  EXPECT_EQ(run(session, {floats({}, {0})})[0].dims(), Dims{0});
}

TEST_F(OnnxRuntime, ComputesWhatARuleSendsThere) {
  CompileOptions options;
  PlacementPolicy policy;
  policy.rules.push_back({"", "Add", "", "onnxruntime", "rule 1"});
  options.policy = std::make_shared<const PlacementPolicy>(policy);
  const Session session(test_runtime(), polynomial(), options);
  EXPECT_EQ(devices_of(session.program()), "Mul:oag/cpu Add:onnxruntime");
  EXPECT_EQ(numbers(run(session, {floats({1, 2, -3}, {3})})[0]), (std::vector<float>{3, 12, 27}));
}

TEST_F(OnnxRuntime, DimsThatDependOnDataAndTextsComeBack) {
  Graph graph("data");
  const ValueId x = graph.add_input("x", ValueType::tensor(DType::kF32, Shape{Dim::symbol("N")}));
  const ValueId t = graph.add_input("t", ValueType::tensor(DType::kString, Shape{Dim::symbol("M")}));
  graph.outputs.push_back(graph.add("", "NonZero", {x}));
  graph.outputs.push_back(graph.add("", "Identity", {t}));
  const Session session(engine_runtime(), std::move(graph));
  EXPECT_EQ(devices_of(session.program()), "NonZero:onnxruntime Identity:onnxruntime");
  const std::vector<Tensor> outputs = run(session, {floats({0, 4, 0, 5}, {4}), make_strings({2}, {"ä", ""})});
  EXPECT_EQ(outputs[0].dims(), (Dims{1, 2}));
  EXPECT_EQ(numbers<int64_t>(outputs[0]), (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(strings_of(outputs[1])[0], "ä");
  EXPECT_EQ(strings_of(outputs[1])[1], "");
}

TEST_F(OnnxRuntime, LargeConstantsAreReadWhereTheyAre) {
  Graph graph("weights");
  const ValueId x = graph.add_input("x", ValueType::tensor(DType::kF32, Shape{1, 100}));
  std::vector<float> weights(100 * 100, 0.0f);
  for (size_t i = 0; i < 100; ++i) weights[i * 100 + i] = static_cast<float>(i);
  graph.outputs.push_back(graph.add("", "MatMul", {x, graph.add_constant("w", floats(weights, {100, 100}))}));
  const Session session(engine_runtime(), std::move(graph));
  const std::vector<float> made = numbers(run(session, {floats(std::vector<float>(100, 2.0f), {1, 100})})[0]);
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ(made[i], 2.0f * static_cast<float>(i));
}

// Max of u16: onnxruntime has no kernel for it.
TEST_F(OnnxRuntime, WhatItRefusesIsComputedHere) {
  Graph graph("refused");
  const ValueId x = graph.add_input("x", ValueType::tensor(DType::kU16, Shape{2}));
  const ValueId top = graph.add("", "Max", {x, x}, {}, "top");
  graph.outputs.push_back(graph.add("", "Cast", {top}, {{"to", int64_t{1}}}));
  const Session session(engine_runtime(), std::move(graph));
  EXPECT_EQ(devices_of(session.program()), "Max:oag/cpu Cast:onnxruntime");
  ASSERT_EQ(session.program().kept.size(), 1u);
  EXPECT_EQ(session.program().kept[0].op, "Max");
  const uint16_t values[] = {7, 8};
  EXPECT_EQ(numbers(run(session, {Tensor::of<uint16_t>(DType::kU16, {2}, values)})[0]),
            (std::vector<float>{7, 8}));
}

// MurmurHash3 is a contrib operator that this engine does not have; MurmurHash3_x86_32 of the number 3 is
// 847579505.
TEST_F(OnnxRuntime, OperatorsUnknownHereGoThereByThemselves) {
  Graph graph("unknown");
  const ValueId x = graph.add_input("x", ValueType::tensor(DType::kI32, Shape{Dim::symbol("N")}));
  const ValueId y = graph.add("com.microsoft", "MurmurHash3", {x}, {}, "hash");
  graph.outputs.push_back(graph.add("", "Cast", {y}, {{"to", int64_t{7}}}));
  CompileOptions options;
  options.imports = {{"com.microsoft", 1}};
  const Session session(test_runtime(), std::move(graph), options);
  EXPECT_EQ(devices_of(session.program()), "com.microsoft.MurmurHash3:onnxruntime Cast:oag/cpu");
  EXPECT_EQ(explain(session.program())[0].reason, "oag does not know it");
  EXPECT_EQ(to_string(session.program().graph.value(session.program().graph.outputs[0]).type), "i64[N]");
  const int32_t keys[] = {3, 4};
  EXPECT_EQ(numbers<int64_t>(run(session, {Tensor::of<int32_t>(DType::kI32, {2}, keys)})[0]),
            (std::vector<int64_t>{847579505, 1889779975}));
}

TEST_F(OnnxRuntime, AnOperatorThatNobodyKnowsIsNamed) {
  Graph graph("nobody");
  const ValueId x = graph.add_input("x", ValueType::tensor(DType::kF32, Shape{2}));
  graph.outputs.push_back(graph.add("my.domain", "Foo", {x}, {}, "foo"));
  try {
    const Session session(test_runtime(), std::move(graph));
    FAIL() << "it was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_EQ(std::string(error.what()).find("node foo (my.domain.Foo): oag does not know it"), 0u)
        << error.what();
  }
}

// The library looks between nodes alone: what is asked of it is that the run ends as cancelled.
TEST_F(OnnxRuntime, ACancelledRunSaysSo) {
  Graph graph("long");
  ValueId x = graph.add_input("x", ValueType::tensor(DType::kF32, Shape{256, 256}));
  const ValueId first = x;
  for (int i = 0; i < 2000; ++i) x = graph.add("", "MatMul", {x, first});
  graph.outputs.push_back(x);
  const Session session(engine_runtime(1), std::move(graph));
  RunHandle handle = session.submit({{floats(std::vector<float>(256 * 256, 0.0f), {256, 256})}, {}});
  while (handle.status() == RunState::kQueued) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  const TimePoint asked = Clock::now();
  handle.cancel();
  EXPECT_EQ(handle.wait(), RunState::kCancelled);
  EXPECT_LT(Clock::now() - asked, std::chrono::seconds(1));
}

// One node runs to its end there, and the library says that all is well.
TEST_F(OnnxRuntime, ARunThatIsCancelledInItsLastNodeSaysSoToo) {
  Graph graph("one");
  const ValueType square = ValueType::tensor(DType::kF32, Shape{2048, 2048});
  const ValueId a = graph.add_input("a", square), b = graph.add_input("b", square);
  graph.outputs.push_back(graph.add("", "MatMul", {a, b}));
  const Session session(engine_runtime(1), std::move(graph));
  const Tensor zeros = floats(std::vector<float>(size_t{2048} * 2048, 0.0f), {2048, 2048});
  RunHandle handle = session.submit({{zeros, zeros}, {}});
  while (handle.status() == RunState::kQueued) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  handle.cancel();
  EXPECT_EQ(handle.wait(), RunState::kCancelled);
}

// An empty sequence has no element that says its type.
TEST_F(OnnxRuntime, SequencesGoInAndOutEmptyOnesToo) {
  Graph graph("sequences");
  const ValueType vector = ValueType::tensor(DType::kF32, Shape{Dim::symbol("N")});
  const ValueId s = graph.add_input("s", ValueType::sequence(vector));
  const ValueId x = graph.add_input("x", vector);
  graph.outputs.push_back(graph.add("", "SequenceInsert", {s, x}));
  const Session session(engine_runtime(), std::move(graph));
  EXPECT_EQ(devices_of(session.program()), "SequenceInsert:onnxruntime");
  const Tensor one = floats({1, 2}, {2});
  const Tensor made = run(session, {make_sequence({}), one})[0];
  ASSERT_EQ(elements_of(made).size(), 1u);
  EXPECT_EQ(numbers(elements_of(made)[0]), (std::vector<float>{1, 2}));
  EXPECT_EQ(elements_of(run(session, {make_sequence({one, one}), one})[0]).size(), 3u);
}

TEST_F(OnnxRuntime, AnOtherVersionIsRefused) {
  try {
    const Runtime runtime({default_backends(), "onnxruntime@0.9", 1});
    FAIL() << "it was taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("version 0.9 is asked for"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace oag
