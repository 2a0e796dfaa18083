#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/backends/cpu/kernel_runner.h"

namespace oag::cpu {
namespace {

class PoolOnIsa : public testing::TestWithParam<Isa> {};
INSTANTIATE_TEST_SUITE_P(EveryIsa, PoolOnIsa, testing::ValuesIn(available_isas()),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

void expect_same(const KernelRunner& runner, double tolerance) {
  const Tensor actual = runner.run()[0], expected = runner.reference()[0];
  ASSERT_EQ(actual.dims(), expected.dims());
  for (size_t i = 0; i < actual.values<float>().size(); ++i) {
    const float value = actual.values<float>()[i], right = expected.values<float>()[i];
    if (std::isnan(right) || std::isinf(right))
      ASSERT_TRUE(std::isnan(right) ? std::isnan(value) : value == right) << i;
    else
      ASSERT_NEAR(value, right, tolerance) << i;
  }
}

int64_t pick(std::mt19937& engine, int64_t least, int64_t most) {
  return least + static_cast<int64_t>(engine() % static_cast<uint32_t>(most - least + 1));
}

OperatorCase random_case(uint32_t seed, const std::string& op) {
  std::mt19937 engine(seed);
  Dims x = {pick(engine, 1, 3), pick(engine, 1, 5)};
  std::vector<int64_t> kernel, strides, dilations, pads;
  for (size_t d = 0; d < 1 + seed % 2; ++d) {
    kernel.push_back(pick(engine, 1, 4));
    strides.push_back(pick(engine, 1, 3));
    dilations.push_back(pick(engine, 1, 2));
    x.push_back(pick(engine, 1, 45) + (kernel.back() - 1) * dilations.back());
  }
  for (size_t i = 0; i < 2 * kernel.size(); ++i) pads.push_back(pick(engine, 0, 2));
  OperatorCase operation{"",
                         op,
                         {{"kernel_shape", kernel},
                          {"strides", strides},
                          {"dilations", dilations},
                          {"pads", pads},
                          {"ceil_mode", int64_t{seed / 2 % 2}}},
                         {random_f32(x, seed)}};
  if (op == "AveragePool") operation.attributes["count_include_pad"] = int64_t{seed / 4 % 2};
  return operation;
}

TEST_P(PoolOnIsa, MatchesTheReferenceForAnyWindows) {
  for (uint32_t seed = 0; seed < 64; ++seed) {
    SCOPED_TRACE(seed);
    ASSERT_NO_FATAL_FAILURE(
        expect_same(KernelRunner(make_device(GetParam(), 2), random_case(seed, "MaxPool")), 0));
    ASSERT_NO_FATAL_FAILURE(
        expect_same(KernelRunner(make_device(GetParam(), 2), random_case(seed, "AveragePool")), 1e-6));
  }
}

TEST_P(PoolOnIsa, MaximaOfWindowsWithNanAreNan) {
  OperatorCase operation = random_case(3, "MaxPool");
  operation.inputs[0].values<float>()[7] = std::numeric_limits<float>::quiet_NaN();
  expect_same(KernelRunner(make_device(GetParam(), 2), operation), 0);
}

TEST_P(PoolOnIsa, WholePlanesAndStatisticsPerChannel) {
  const auto device = make_device(GetParam(), 2);
  expect_same(KernelRunner(device, {"", "GlobalAveragePool", {}, {random_f32({3, 5, 13, 7}, 1)}}), 1e-6);
  expect_same(KernelRunner(device, {"", "GlobalMaxPool", {}, {random_f32({3, 5, 13, 7}, 1, -9, -3)}}), 0);
  Tensor with_nan = random_f32({2, 2, 5, 7}, 1);
  with_nan.values<float>()[40] = std::numeric_limits<float>::quiet_NaN();
  expect_same(KernelRunner(device, {"", "GlobalMaxPool", {}, {with_nan}}), 0);
  const std::vector<Tensor> inputs = {random_f32({2, 3, 150, 151}, 1), random_f32({3}, 2), random_f32({3}, 3),
                                      random_f32({3}, 4), random_f32({3}, 5, 0.5f, 2.0f)};
  expect_same(KernelRunner(device, {"", "BatchNormalization", {}, inputs}), 1e-6);
}

TEST_P(PoolOnIsa, ElementsAreActivated) {
  for (const char* op : {"Relu", "LeakyRelu", "HardSigmoid", "HardSwish", "Neg"}) {
    SCOPED_TRACE(op);
    expect_same(KernelRunner(make_device(GetParam(), 2), {"", op, {}, {random_f32({3, 2001}, 1, -5, 5)}}),
                1e-6);
  }
  expect_same(KernelRunner(make_device(GetParam(), 2), {"", "Sqrt", {}, {random_f32({5000}, 1, 0, 9)}}),
              1e-6);
}

}  // namespace
}  // namespace oag::cpu
