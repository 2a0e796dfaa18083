#include <gtest/gtest.h>

#include <cstring>

#include "engine/backends/cpu/kernel_runner.h"

namespace oag::cpu {
namespace {

class ConvTransposeOnIsa : public testing::TestWithParam<Isa> {};
INSTANTIATE_TEST_SUITE_P(EveryIsa, ConvTransposeOnIsa, testing::ValuesIn(available_isas()),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

void expect_near(const Tensor& actual, const Tensor& expected, double tolerance) {
  ASSERT_EQ(actual.dims(), expected.dims());
  for (size_t i = 0; i < actual.values<float>().size(); ++i)
    ASSERT_NEAR(actual.values<float>()[i], expected.values<float>()[i], tolerance) << i;
}

int64_t pick(std::mt19937& engine, int64_t least, int64_t most) {
  return least + static_cast<int64_t>(engine() % static_cast<uint32_t>(most - least + 1));
}

OperatorCase random_case(uint32_t seed, size_t spatial) {
  std::mt19937 engine(seed);
  const int64_t groups = pick(engine, 1, 3), channels = pick(engine, 1, 20), outputs = pick(engine, 1, 13);
  Dims x = {pick(engine, 1, 2), groups * channels}, w = {groups * channels, outputs};
  std::vector<int64_t> strides, dilations, pads, extra;
  for (size_t d = 0; d < spatial; ++d) {
    w.push_back(pick(engine, 1, 4));
    strides.push_back(pick(engine, 1, 4));
    dilations.push_back(pick(engine, 1, 3));
    extra.push_back(pick(engine, 0, strides.back() - 1));
    x.push_back(pick(engine, 4, 25));
  }
  for (size_t i = 0; i < 2 * spatial; ++i) pads.push_back(pick(engine, 0, 1));
  OperatorCase operation{
      "", "ConvTranspose", {{"group", groups}, {"strides", strides}, {"dilations", dilations}}, {}};
  if (seed % 4 == 0) {
    operation.attributes["auto_pad"] = std::string(seed % 8 == 0 ? "SAME_UPPER" : "SAME_LOWER");
  } else {
    operation.attributes["pads"] = pads;
    operation.attributes["output_padding"] = extra;
  }
  operation.inputs = {random_f32(x, seed), random_f32(w, seed + 1)};
  if (seed % 3 != 0) operation.inputs.push_back(random_f32({groups * outputs}, seed + 2));
  if (seed % 2 != 0) operation.constants = {1};
  return operation;
}

TEST_P(ConvTransposeOnIsa, MatchesTheReferenceForAnyWindowsAndThreads) {
  for (uint32_t seed = 0; seed < 96; ++seed) {
    SCOPED_TRACE(seed);
    const OperatorCase operation = random_case(seed, 1 + seed / 2 % 2);
    const KernelRunner runner(make_device(GetParam(), 1), operation);
    const Tensor y = runner.run()[0];
    ASSERT_NO_FATAL_FAILURE(expect_near(y, runner.reference()[0], 1e-4));
    const Tensor parallel = KernelRunner(make_device(GetParam(), 3), operation).run()[0];
    ASSERT_EQ(std::memcmp(y.data(), parallel.data(), y.size_bytes()), 0);
  }
}

TEST_P(ConvTransposeOnIsa, TakesMapsOfWhichNotAllColumnsAreKept) {
  for (const int64_t groups : {1, 12}) {
    const KernelRunner runner(
        make_device(GetParam(), 2),
        {"",
         "ConvTranspose",
         {{"strides", std::vector<int64_t>{2, 2}},
          {"pads", std::vector<int64_t>{1, 1, 1, 1}},
          {"group", groups}},
         {random_f32({1, 12, 150, 200}, 1), random_f32({12, 12 / groups, 3, 3}, 2), random_f32({12}, 3)}});
    ASSERT_NO_FATAL_FAILURE(expect_near(runner.run()[0], runner.reference()[0], 1e-4));
  }
}

TEST(ConvTranspose, AnOutputMayBeLongerThanItsWindowsReach) {
  const KernelRunner runner(
      make_device(Isa{0}, 2),
      {"",
       "ConvTranspose",
       {{"strides", std::vector<int64_t>{3, 2}}, {"output_shape", std::vector<int64_t>{10, 8}}},
       {random_f32({1, 1, 3, 3}, 1), random_f32({1, 2, 3, 3}, 2)}});
  expect_near(runner.run()[0], runner.reference()[0], 1e-5);
}

TEST(ConvTranspose, NoElementsGiveTheBias) {
  const KernelRunner no_channels(make_device(Isa{0}, 1), {"",
                                                          "ConvTranspose",
                                                          {},
                                                          {random_f32({1, 0, 3, 3}, 1),
                                                           random_f32({0, 2, 2, 2}, 2), random_f32({2}, 3)}});
  expect_near(no_channels.run()[0], no_channels.reference()[0], 0);
  const KernelRunner no_images(
      make_device(Isa{0}, 1),
      {"", "ConvTranspose", {}, {random_f32({0, 2, 3, 3}, 1), random_f32({2, 2, 2, 2}, 2)}});
  EXPECT_EQ(no_images.run()[0].dims(), (Dims{0, 2, 4, 4}));
}

TEST(ConvTranspose, StopsSoonWhenCancelled) {
  const KernelRunner runner(
      make_device(Isa{0}, 2),
      {"", "ConvTranspose", {}, {random_f32({8, 256, 64, 64}, 1), random_f32({256, 512, 3, 3}, 2)}});
  const double delay_ms = median_cancel_delay_ms(runner);
#if defined(__x86_64__)  // an emulated processor says nothing about time
  EXPECT_LT(delay_ms, 50);
#else
  EXPECT_GT(delay_ms, 0);
#endif
}

}  // namespace
}  // namespace oag::cpu
