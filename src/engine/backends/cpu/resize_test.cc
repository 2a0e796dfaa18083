#include <gtest/gtest.h>

#include <cstring>

#include "engine/backends/cpu/kernel_runner.h"

namespace oag::cpu {
namespace {

constexpr const char* kTransforms[] = {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",
                                       "align_corners", "asymmetric"};
constexpr const char* kRoundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};

int64_t pick(std::mt19937& engine, int64_t least, int64_t most) {
  return least + static_cast<int64_t>(engine() % static_cast<uint32_t>(most - least + 1));
}

Tensor sizes_of(const Dims& dims) {
  Tensor sizes = Tensor::host(DType::kI64, {static_cast<int64_t>(dims.size())});
  std::copy(dims.begin(), dims.end(), sizes.values<int64_t>().begin());
  return sizes;
}

OperatorCase random_case(uint32_t seed, const std::string& mode) {
  std::mt19937 engine(seed);
  Dims x, y;
  for (int64_t d = pick(engine, 1, 4); d > 0; --d) {
    x.push_back(pick(engine, 1, 20));
    y.push_back(engine() % 3 == 0 ? x.back() : pick(engine, 1, 45));
  }
  return {"",
          "Resize",
          {{"mode", mode},
           {"coordinate_transformation_mode", std::string(kTransforms[seed % 5])},
           {"nearest_mode", std::string(kRoundings[seed / 5 % 4])},
           {"antialias", int64_t{mode == "linear" && seed % 3 == 0 ? 1 : 0}}},
          {random_f32(x, seed), {}, {}, sizes_of(y)}};
}

void expect_near(const Tensor& actual, const Tensor& expected, double tolerance) {
  ASSERT_EQ(actual.dims(), expected.dims());
  for (size_t i = 0; i < actual.values<float>().size(); ++i)
    ASSERT_NEAR(actual.values<float>()[i], expected.values<float>()[i], tolerance) << i;
}

TEST(Resize, MatchesTheReferenceForAnyLengthsAndThreads) {
  for (uint32_t seed = 0; seed < 120; ++seed) {
    for (const std::string mode : {"nearest", "linear"}) {
      SCOPED_TRACE(mode + " " + std::to_string(seed));
      const OperatorCase operation = random_case(seed, mode);
      const KernelRunner runner(make_device(Isa{0}, 1), operation);
      const Tensor y = runner.run()[0];
      ASSERT_NO_FATAL_FAILURE(expect_near(y, runner.reference()[0], mode == "nearest" ? 0 : 2e-6));
      const Tensor parallel = KernelRunner(make_device(Isa{0}, 3), operation).run()[0];
      ASSERT_EQ(std::memcmp(y.data(), parallel.data(), y.size_bytes()), 0);
    }
  }
}

TEST(Resize, MapsAreMadeLargerByWholeFactors) {
  for (const std::string mode : {"nearest", "linear"}) {
    const float scales[] = {1, 1, 2, 4};
    const KernelRunner runner(
        make_device(Isa{0}, 2),
        {"",
         "Resize",
         {{"mode", mode},
          {"coordinate_transformation_mode", std::string("asymmetric")},
          {"nearest_mode", std::string("floor")}},
         {random_f32({2, 3, 30, 41}, 1), {}, Tensor::of<float>(DType::kF32, {4}, scales)}});
    expect_near(runner.run()[0], runner.reference()[0], mode == "nearest" ? 0 : 1e-6);
  }
}

TEST(Resize, LongRunsBehindTheResizedDimAreCutIntoTiles) {
  const KernelRunner runner(make_device(Isa{0}, 2),
                            {"",
                             "Resize",
                             {{"mode", std::string("linear")}},
                             {random_f32({5, 40000}, 1), {}, {}, sizes_of({8, 40000})}});
  expect_near(runner.run()[0], runner.reference()[0], 1e-6);
}

TEST(Resize, NoElementsGiveNone) {
  const KernelRunner runner(make_device(Isa{0}, 1),
                            {"", "Resize", {}, {random_f32({2, 0, 3}, 1), {}, {}, sizes_of({2, 0, 6})}});
  EXPECT_EQ(runner.run()[0].dims(), (Dims{2, 0, 6}));
}

TEST(Resize, RefusesWhatExtrapolatesOrIsCubic) {
  const std::vector<Tensor> inputs = {random_f32({2, 3}, 1), random_f32({4}, 2), {}, sizes_of({4, 4})};
  const KernelRunner cubic(make_device(Isa{0}, 1), {"", "Resize", {{"mode", std::string("cubic")}}, inputs});
  EXPECT_EQ(cubic.refusals(), "resize: mode is cubic; ");
  const KernelRunner crop(
      make_device(Isa{0}, 1),
      {"", "Resize", {{"coordinate_transformation_mode", std::string("tf_crop_and_resize")}}, inputs});
  EXPECT_EQ(crop.refusals(), "resize: tf_crop_and_resize extrapolates; ");
}

TEST(Resize, StopsSoonWhenCancelled) {
  const KernelRunner runner(make_device(Isa{0}, 2),
                            {"",
                             "Resize",
                             {{"mode", std::string("linear")}},
                             {random_f32({64, 700, 700}, 1), {}, {}, sizes_of({64, 1400, 1400})}});
  const double delay_ms = median_cancel_delay_ms(runner);
#if defined(__x86_64__)  // an emulated processor says nothing about time
  EXPECT_LT(delay_ms, 50);
#else
  EXPECT_GT(delay_ms, 0);
#endif
}

}  // namespace
}  // namespace oag::cpu
