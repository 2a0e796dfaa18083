// The random operators, of which ONNX's suite has no values: shapes, types, seeds, and that the values have
// the distribution asked for.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "engine/ops/element.h"
#include "engine/ops/onnx_dtype.h"
#include "engine/ops/random_stream.h"
#include "engine/ops/serial_env.h"
#include "engine/ops/verify.h"

namespace oag {
namespace {

// The output of one node; its type must be the one that was inferred.
Tensor run_node(std::string_view op, Attributes attributes, const std::vector<Tensor>& inputs = {}) {
  Graph graph;
  std::vector<ValueId> ids;
  for (const Tensor& input : inputs)
    ids.push_back(graph.add_input("x", ValueType::tensor(input.dtype(), to_shape(input.dims()))));
  graph.outputs.push_back(graph.add("", op, ids, std::move(attributes)));
  infer_types(graph);
  std::vector<Tensor> outputs(1);
  SerialEnv env;
  KernelContext context(graph.nodes[0], inputs, outputs, env);
  OperatorRegistry::builtin().find("", op)->reference(context);
  const ValueType& type = graph.value(graph.outputs[0]).type;
  EXPECT_EQ(type.dtype, outputs[0].dtype()) << op;
  EXPECT_EQ(type.shape, to_shape(outputs[0].dims())) << op;
  return outputs[0];
}

std::vector<double> numbers(const Tensor& tensor) {
  std::vector<double> values(static_cast<size_t>(tensor.count()));
  load_elements<double>(tensor, 0, 1, values);
  return values;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double deviation_of(const std::vector<double>& values) {
  const double mean = mean_of(values);
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(values.size()));
}

Tensor filled(DType dtype, Dims dims, double value) {
  const Tensor tensor = Tensor::host(dtype, std::move(dims));
  for (int64_t i = 0; i < tensor.count(); ++i) store_elements<double>(tensor, i, 1, {&value, 1});
  return tensor;
}

// Of the paper's own implementation (Random123, kat_vectors: philox4x32, 10 rounds).
TEST(RandomTest, StreamGivesThePublishedWords) {
  const std::array<uint32_t, 4> zeros = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  EXPECT_EQ(RandomStream(0).words(0), zeros);
}

TEST(RandomTest, NormalValuesHaveMeanAndDeviation) {
  const Tensor out =
      run_node("RandomNormal",
               {{"shape", std::vector<int64_t>{100, 200}}, {"mean", 3.0f}, {"scale", 0.5f}, {"seed", 7.0f}});
  EXPECT_EQ(out.dtype(), DType::kF32);
  const auto values = numbers(out);
  EXPECT_NEAR(mean_of(values), 3.0, 0.02);
  EXPECT_NEAR(deviation_of(values), 0.5, 0.02);
}

TEST(RandomTest, UniformValuesFillTheirRange) {
  const Tensor out = run_node("RandomUniform", {{"shape", std::vector<int64_t>{20000}},
                                                {"low", -2.0f},
                                                {"high", 4.0f},
                                                {"dtype", onnx_from_dtype(DType::kF64)},
                                                {"seed", 1.5f}});
  EXPECT_EQ(out.dtype(), DType::kF64);
  const auto values = numbers(out);
  for (const double value : values) {
    ASSERT_GE(value, -2.0);
    ASSERT_LT(value, 4.0);
  }
  EXPECT_NEAR(mean_of(values), 1.0, 0.05);
  EXPECT_NEAR(deviation_of(values), 6 / std::sqrt(12.0), 0.05);
}

TEST(RandomTest, OneSeedGivesOneSetOfValues) {
  const auto make = [](Attributes attributes) {
    attributes.emplace("shape", std::vector<int64_t>{16});
    return numbers(run_node("RandomNormal", std::move(attributes)));
  };
  EXPECT_EQ(make({{"seed", 3.0f}}), make({{"seed", 3.0f}}));
  EXPECT_NE(make({{"seed", 3.0f}}), make({{"seed", 4.0f}}));
  EXPECT_NE(make({}), make({}));
}

TEST(RandomTest, LikeTakesTheInputsDimsAndTypeUnlessToldAnother) {
  const Tensor half = filled(DType::kF16, {2, 3, 4}, 0);
  const Tensor normal = run_node("RandomNormalLike", {{"seed", 1.0f}}, {half});
  EXPECT_EQ(normal.dtype(), DType::kF16);
  EXPECT_EQ(normal.dims(), Dims({2, 3, 4}));
  const Tensor uniform = run_node("RandomUniformLike", {{"dtype", onnx_from_dtype(DType::kBF16)}},
                                  {filled(DType::kI32, {5}, 0)});
  EXPECT_EQ(uniform.dtype(), DType::kBF16);
  EXPECT_EQ(uniform.dims(), Dims({5}));
}

TEST(RandomTest, BernoulliIsOneAsOftenAsAsked) {
  const Tensor chances = filled(DType::kF32, {20000}, 0.25);
  const Tensor out =
      run_node("Bernoulli", {{"dtype", onnx_from_dtype(DType::kBool)}, {"seed", 9.0f}}, {chances});
  EXPECT_NEAR(mean_of(numbers(out)), 0.25, 0.01);
  EXPECT_EQ(mean_of(numbers(run_node("Bernoulli", {}, {filled(DType::kF64, {100}, 1.0)}))), 1.0);
  EXPECT_EQ(mean_of(numbers(run_node("Bernoulli", {}, {filled(DType::kF64, {100}, 0.0)}))), 0.0);
}

TEST(RandomTest, MultinomialPicksClassesByTheirLogProbabilities) {
  const std::vector<float> logs = {std::log(1.0f), std::log(3.0f), -INFINITY, std::log(4.0f),
                                   -INFINITY,      -INFINITY,      0.0f,      -INFINITY};
  const Tensor input = Tensor::of<float>(DType::kF32, {2, 4}, logs);
  const Tensor out = run_node(
      "Multinomial",
      {{"sample_size", int64_t{8000}}, {"dtype", onnx_from_dtype(DType::kI64)}, {"seed", 2.0f}}, {input});
  ASSERT_EQ(out.dims(), Dims({2, 8000}));
  std::vector<double> counts(8, 0);
  for (size_t i = 0; i < 16000; ++i) {
    const auto picked = static_cast<size_t>(out.values<int64_t>()[i]);
    ASSERT_LT(picked, 4u);
    ++counts[i / 8000 * 4 + picked];
  }
  EXPECT_NEAR(counts[0], 1000, 150);
  EXPECT_NEAR(counts[1], 3000, 250);
  EXPECT_EQ(counts[2], 0);
  EXPECT_NEAR(counts[3], 4000, 250);
  EXPECT_EQ(counts[6], 8000);
}

}  // namespace
}  // namespace oag
