#include "engine/backends/cpu/machine_limits.h"

#include <gtest/gtest.h>

namespace oag::cpu {
namespace {

TEST(MachineLimits, AreOfTheOrderThatAnyMachineOfTheseYearsReaches) {
  ComputePool pool(2);
  const MachineLimits limits = measure_machine_limits(choose_isa(""), pool);
  EXPECT_GT(limits.bandwidth_gb_s, 0.1);
  EXPECT_LT(limits.bandwidth_gb_s, 1000);
  EXPECT_GT(limits.f32_gflop_s, 0.1);
  EXPECT_LT(limits.f32_gflop_s, 2000);
  EXPECT_GT(limits.int8_gop_s, 0.1);
  EXPECT_LT(limits.int8_gop_s, 10000);
  RecordProperty("bandwidth_gb_s", std::to_string(limits.bandwidth_gb_s));
  RecordProperty("f32_gflop_s", std::to_string(limits.f32_gflop_s));
  RecordProperty("int8_gop_s", std::to_string(limits.int8_gop_s));
}

}  // namespace
}  // namespace oag::cpu
