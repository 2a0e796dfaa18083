#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "engine/backends/cpu/kernel_runner.h"

namespace oag::cpu {
namespace {

class ConvOnIsa : public testing::TestWithParam<Isa> {};
INSTANTIATE_TEST_SUITE_P(EveryIsa, ConvOnIsa, testing::ValuesIn(available_isas()),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

void expect_near(const Tensor& actual, const Tensor& expected, double tolerance) {
  ASSERT_EQ(actual.dims(), expected.dims());
  for (size_t i = 0; i < actual.values<float>().size(); ++i)
    ASSERT_NEAR(actual.values<float>()[i], expected.values<float>()[i], tolerance) << i;
}

int64_t pick(std::mt19937& engine, int64_t least, int64_t most) {
  return least + static_cast<int64_t>(engine() % static_cast<uint32_t>(most - least + 1));
}

// Any convolution with `spatial` dims; with one input channel in a group where it is `depthwise`.
OperatorCase random_case(uint32_t seed, size_t spatial, bool depthwise) {
  std::mt19937 engine(seed);
  const int64_t groups = pick(engine, 1, 4), channels = depthwise ? 1 : pick(engine, 2, 40);
  const int64_t outputs = groups * pick(engine, 1, depthwise ? 3 : 30);
  Dims x = {pick(engine, 1, 3), groups * channels}, w = {outputs, channels};
  std::vector<int64_t> strides, dilations, pads;
  for (size_t d = 0; d < spatial; ++d) {
    w.push_back(pick(engine, 1, 4));
    strides.push_back(pick(engine, 1, 3));
    dilations.push_back(pick(engine, 1, 2));
    x.push_back(pick(engine, 1, 45) + (w.back() - 1) * dilations.back());
  }
  for (size_t i = 0; i < 2 * spatial; ++i) pads.push_back(pick(engine, 0, 3));
  OperatorCase operation{"", "Conv", {{"group", groups}, {"strides", strides}, {"dilations", dilations}}, {}};
  if (seed % 4 == 0)
    operation.attributes["auto_pad"] = std::string(seed % 8 == 0 ? "SAME_UPPER" : "SAME_LOWER");
  else
    operation.attributes["pads"] = pads;
  operation.inputs = {random_f32(x, seed), random_f32(w, seed + 1)};
  if (seed % 3 != 0) operation.inputs.push_back(random_f32({outputs}, seed + 2));
  return operation;
}

TEST_P(ConvOnIsa, FewWindowsOfManyTapsMatchTheReference) {
  for (const int64_t batch : {1, 3, 20}) {
    for (const int64_t pad : {0, 1, 40}) {
      for (const int64_t dilation : {1, 2}) {
        const OperatorCase rows{
            "",
            "Conv",
            {{"strides", std::vector<int64_t>{64}},
             {"dilations", std::vector<int64_t>{dilation}},
             {"pads", std::vector<int64_t>{pad, pad}}},
            {random_f32({batch, 3, 300}, 1), random_f32({70, 3, 101}, 2), random_f32({70}, 3)}};
        const OperatorCase planes{"",
                                  "Conv",
                                  {{"strides", std::vector<int64_t>{2, 3}},
                                   {"dilations", std::vector<int64_t>{dilation, 1}},
                                   {"pads", std::vector<int64_t>{1, 0, 1, 2}}},
                                  {random_f32({batch, 5, 6, 9}, 1), random_f32({33, 5, 3, 4}, 2)}};
        for (const OperatorCase& operation : {rows, planes}) {
          const KernelRunner runner(make_device(GetParam(), 1), operation);
          const Tensor y = runner.run()[0];
          ASSERT_NO_FATAL_FAILURE(expect_near(y, runner.reference()[0], 2e-4));
          const Tensor parallel = KernelRunner(make_device(GetParam(), 3), operation).run()[0];
          ASSERT_EQ(std::memcmp(y.data(), parallel.data(), y.size_bytes()), 0);
        }
      }
    }
  }
}

TEST_P(ConvOnIsa, MatchesTheReferenceForAnyWindowsAndThreads) {
  for (uint32_t seed = 0; seed < 96; ++seed) {
    SCOPED_TRACE(seed);
    const OperatorCase operation = random_case(seed, 1 + seed % 2, seed / 2 % 2 == 0);
    const KernelRunner runner(make_device(GetParam(), 1), operation);
    const Tensor y = runner.run()[0];
    ASSERT_NO_FATAL_FAILURE(expect_near(y, runner.reference()[0], 2e-4));
    const Tensor parallel = KernelRunner(make_device(GetParam(), 3), operation).run()[0];
    ASSERT_EQ(std::memcmp(y.data(), parallel.data(), y.size_bytes()), 0);
  }
}

TEST_P(ConvOnIsa, TakesPlanesOfOneElementAndManyChannels) {
  const std::vector<std::pair<Dims, Dims>> shapes = {{{3, 70, 1, 1}, {45, 70, 1, 1}},
                                                     {{2, 300, 7, 7}, {70, 300, 3, 3}},
                                                     {{1, 64, 20, 33}, {500, 64, 1, 1}},
                                                     {{1, 1, 300, 300}, {2, 1, 3, 3}}};
  for (const auto& [x, w] : shapes) {
    const KernelRunner runner(make_device(GetParam(), 2),
                              {"", "Conv", {}, {random_f32(x, 1), random_f32(w, 2), random_f32({w[0]}, 3)}});
    ASSERT_NO_FATAL_FAILURE(expect_near(runner.run()[0], runner.reference()[0], 1e-3));
  }
}

// y of the reference kernels, one after the other.
Tensor unfused(const OperatorCase& operation, const Tensor& z, const Attributes& attributes, float scale,
               float shift) {
  const auto device = make_device(Isa{0}, 1);
  Tensor y = KernelRunner(device, operation).reference()[0];
  if (z.defined()) y = KernelRunner(device, {"", "Add", {}, {y, z}}).reference()[0];
  const std::string op = std::get<std::string>(attributes.at("activation"));
  if (op == "Clip") {
    const float low = -0.5f, high = 0.75f;
    y = KernelRunner(device, {"",
                              op,
                              {},
                              {y, Tensor::of<float>(DType::kF32, {}, std::span(&low, 1)),
                               Tensor::of<float>(DType::kF32, {}, std::span(&high, 1))}})
            .reference()[0];
  } else {
    Attributes own;
    if (op == "LeakyRelu") own["alpha"] = 0.3f;
    if (op == "HardSigmoid") own = {{"alpha", 0.15f}, {"beta", 0.4f}};
    y = KernelRunner(device, {"", op, own, {y}}).reference()[0];
  }
  for (float& value : y.values<float>()) value = scale * value + shift;
  return y;
}

TEST_P(ConvOnIsa, FusedStepsMatchTheReferencesOneByOne) {
  const std::vector<std::pair<std::string, std::vector<float>>> activations = {{"Relu", {}},
                                                                               {"Sigmoid", {}},
                                                                               {"HardSwish", {}},
                                                                               {"Swish", {}},
                                                                               {"Gelu", {}},
                                                                               {"LeakyRelu", {0.3f}},
                                                                               {"HardSigmoid", {0.15f, 0.4f}},
                                                                               {"Clip", {-0.5f, 0.75f}}};
  for (uint32_t seed = 0; seed < 48; ++seed) {
    SCOPED_TRACE(seed);
    OperatorCase operation = random_case(seed, 1 + seed % 2, seed / 2 % 2 == 0);
    if (seed % 8 == 7)
      operation.inputs = {random_f32({2, 30, 1, 1}, seed), random_f32({50, 30, 1, 1}, seed + 1)};
    if (seed % 8 == 7) operation.attributes.clear();
    OperatorCase fused = operation;
    fused.domain = "oag";
    fused.op = "FusedConv";
    const auto& [activation, params] = activations[seed % activations.size()];
    fused.attributes["activation"] = activation;
    if (!params.empty()) fused.attributes["activation_params"] = params;
    const bool scales = seed % 3 == 0, adds = seed % 5 < 3;
    if (scales) fused.attributes.insert({{"scale", 0.5f}, {"shift", -0.25f}});
    Tensor z;
    if (adds) {
      z = random_f32(KernelRunner(make_device(GetParam(), 1), operation).run()[0].dims(), seed + 9);
      fused.inputs.resize(4);
      fused.inputs[3] = z;
    }
    const KernelRunner runner(make_device(GetParam(), 1), fused);
    ASSERT_TRUE(runner.accepted()) << runner.refusals();
    const Tensor y = runner.run()[0];
    ASSERT_NO_FATAL_FAILURE(expect_near(
        y, unfused(operation, z, fused.attributes, scales ? 0.5f : 1, scales ? -0.25f : 0), 4e-4));
    const Tensor parallel = KernelRunner(make_device(GetParam(), 3), fused).run()[0];
    ASSERT_EQ(std::memcmp(y.data(), parallel.data(), y.size_bytes()), 0);
  }
}

TEST(Conv, FusedRefusesASummandOfOtherDims) {
  const KernelRunner runner(
      make_device(Isa{0}, 1),
      {"oag",
       "FusedConv",
       {},
       {random_f32({1, 2, 3, 3}, 1), random_f32({2, 2, 1, 1}, 2), Tensor(), random_f32({1, 2, 3, 2}, 3)}});
  EXPECT_THROW(runner.run(), Error);
}

TEST(Conv, StopsSoonWhenCancelled) {
  const KernelRunner runner(
      make_device(Isa{0}, 2),
      {"", "Conv", {}, {random_f32({8, 256, 64, 64}, 1), random_f32({512, 256, 3, 3}, 2)}});
  const double delay_ms = median_cancel_delay_ms(runner);
#if defined(__x86_64__)  // an emulated processor says nothing about time
  EXPECT_LT(delay_ms, 50);
#else
  EXPECT_GT(delay_ms, 0);
#endif
}

TEST(Conv, RefusesThreeSpatialDims) {
  const KernelRunner runner(
      make_device(Isa{0}, 1),
      {"", "Conv", {}, {random_f32({1, 2, 3, 3, 3}, 1), random_f32({2, 2, 1, 1, 1}, 2)}});
  EXPECT_EQ(runner.refusals(), "conv: not one or two spatial dims; ");
}

}  // namespace
}  // namespace oag::cpu
