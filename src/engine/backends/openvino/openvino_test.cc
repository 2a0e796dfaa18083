#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/backends/openvino/openvino_library.h"
#include "engine/tensor/container.h"
#include "tests/session_fixture.h"

namespace oag {
namespace {

using namespace session_test;

class OpenVino : public testing::Test {
 protected:
  void SetUp() override {
    try {
      openvino::Library::get();
    } catch (const Error& error) {
      GTEST_SKIP() << error.what();
    }
  }
};

std::shared_ptr<Runtime> engine_runtime() {
  return std::make_shared<Runtime>(RuntimeOptions{default_backends(), "openvino", 2});
}

std::vector<Tensor> run(const Session& session, std::vector<Tensor> inputs) {
  std::vector<Tensor> outputs;
  EXPECT_EQ(session.run({std::move(inputs), {}}, RunControl(), outputs), RunState::kDone);
  return outputs;
}

TEST_F(OpenVino, ComputesAWholeModelAtAnyDims) {
  const Session session(engine_runtime(), polynomial());
  EXPECT_EQ(explain(session.program())[0].device.substr(0, 9), "openvino@");
  EXPECT_EQ(numbers(run(session, {floats({1, 2, -3}, {3})})[0]), (std::vector<float>{3, 12, 27}));
  EXPECT_EQ(numbers(run(session, {floats({10}, {1})})[0]), (std::vector<float>{300}));
}

TEST_F(OpenVino, ValuesWithoutDimsGoInAndOut) {
  Graph graph("scalars");
  const ValueId x = graph.add_input("x", ValueType::tensor(DType::kF32, Shape{}));
  const ValueId y = graph.add_input("y", ValueType::tensor(DType::kF32, Shape{Dim::symbol("N")}));
  graph.outputs.push_back(graph.add("", "Neg", {x}));
  graph.outputs.push_back(
      graph.add("", "ReduceSum", {graph.add("", "Mul", {x, y})}, {{"keepdims", int64_t{0}}}));
  const Session session(engine_runtime(), std::move(graph));
  const std::vector<Tensor> outputs = run(session, {floats({2}, {}), floats({3, 4}, {2})});
  EXPECT_EQ(outputs[0].dims(), Dims{});
  EXPECT_EQ(numbers(outputs[0]), std::vector<float>{-2});
  EXPECT_EQ(outputs[1].dims(), Dims{});
  EXPECT_EQ(numbers(outputs[1]), std::vector<float>{14});
}

TEST_F(OpenVino, DoublesAndTextsStayHere) {
  Graph graph("stay");
  const ValueId x = graph.add_input("x", ValueType::tensor(DType::kF64, Shape{1}));
  const ValueId t = graph.add_input("t", ValueType::tensor(DType::kString, Shape{1}));
  graph.outputs.push_back(graph.add("", "Neg", {x}));
  graph.outputs.push_back(graph.add("", "Identity", {t}));
  const Session session(engine_runtime(), std::move(graph));
  EXPECT_EQ(session.program().kept.size(), 2u);
  const double huge[] = {1e200};
  const std::vector<Tensor> outputs =
      run(session, {Tensor::of<double>(DType::kF64, {1}, huge), make_strings({1}, {"text"})});
  EXPECT_EQ(numbers<double>(outputs[0]), std::vector<double>{-1e200});
  EXPECT_EQ(strings_of(outputs[1])[0], "text");
}

TEST_F(OpenVino, ManyThreadsRunOneSession) {
  const Session session(engine_runtime(), polynomial());
  std::vector<RunHandle> handles;
  for (int i = 0; i < 16; ++i) handles.push_back(session.submit({{floats({float(i)}, {1})}, {}}));
  for (int i = 0; i < 16; ++i) {
    EXPECT_EQ(handles[static_cast<size_t>(i)].wait(), RunState::kDone);
    EXPECT_EQ(numbers(handles[static_cast<size_t>(i)].outputs()[0])[0], 3.0f * float(i) * float(i));
  }
}

}  // namespace
}  // namespace oag
