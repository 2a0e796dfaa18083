#include "cli/step_profile.h"

#include <gtest/gtest.h>

#include <sstream>

#include "tests/session_fixture.h"

namespace oag::cli {
namespace {

using namespace session_test;

constexpr MachineLimits kLimits = {10, 50, 100};

// Three steps: Mul, Add, Mul, of which the two Mul are one kind.
class ProfileOfPolynomial : public testing::Test {
 protected:
  void run(StepProfile& profile) {
    RunBindings bindings{{floats({1, 2, 3, 4}, {4})}, {}, &profile};
    std::vector<Tensor> outputs;
    ASSERT_EQ(session_.run(bindings, RunControl(), outputs), RunState::kDone);
  }
  Breakdown counted(StepProfile& profile) {
    profile.count(true);
    run(profile);
    profile.count(false);
    return profile.result();
  }

  Session session_{test_runtime(), polynomial()};
};

TEST_F(ProfileOfPolynomial, GroupsStepsByKindAndAddsUpToTheWhole) {
  StepProfile profile(session_.program());
  for (int i = 0; i < 3; ++i) {
    run(profile);
    profile.add_sample(1000 + i);
  }
  const Breakdown breakdown = counted(profile);
  ASSERT_EQ(breakdown.operators.size(), 2u);
  EXPECT_DOUBLE_EQ(breakdown.total_ms, 1001);  // the middle one of three
  double calls = 0, ms = breakdown.between_ms();
  for (const OperatorTime& each : breakdown.operators) {
    calls += each.calls;
    ms += each.ms;
    EXPECT_GT(each.ms, 0);
    EXPECT_EQ(each.calls, each.kind.op == "Mul" ? 2 : 1);
  }
  EXPECT_EQ(calls, 3);
  EXPECT_NEAR(ms, 1001, 1e-9);
  EXPECT_GE(breakdown.operators[0].ms, breakdown.operators[1].ms);
}

TEST_F(ProfileOfPolynomial, LeavesOutWarmUpsAndTheTimeOfCounting) {
  StepProfile profile(session_.program());
  run(profile);
  profile.drop_sample();
  profile.add_sample(5);
  for (const OperatorTime& each : counted(profile).operators) EXPECT_EQ(each.ms, 0);
}

TEST(LimitShare, NamesTheLimitThatBinds) {
  OperatorTime time{{}, 1, 2, {}};
  time.cost = {10e6, 0, 0};  // 1 ms at 10 GB/s
  EXPECT_TRUE(limit_share(time, kLimits).by_memory);
  EXPECT_DOUBLE_EQ(limit_share(time, kLimits).share, 0.5);
  time.cost = {10e6, 25e6, 100e6};  // 0.5 ms in f32 and 1 ms in int8
  EXPECT_FALSE(limit_share(time, kLimits).by_memory);
  EXPECT_DOUBLE_EQ(limit_share(time, kLimits).share, 0.75);
}

Breakdown wide_breakdown() {
  Breakdown breakdown{100, {}};
  breakdown.operators.push_back({{"test.OperatorWithALongName", "kernel_with_a_long_name.block",
                                  "q4_k+q6_k+q8_0", "18944>18944+18944+18944"},
                                 12345,
                                 99.5,
                                 {12e9, 0, 66e9}});
  for (int i = 0; i < 4; ++i)
    breakdown.operators.push_back({{"Tiny" + std::to_string(i), "tiny", "", ""}, 1, 0.01, {}});
  return breakdown;
}

TEST(BreakdownTable, IsAtMost110ColumnsWideWhateverTheNames) {
  std::istringstream lines(breakdown_table("decode", wide_breakdown(), kLimits));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 110u) << line;
}

TEST(BreakdownTable, JoinsWhatHardlyCountsAndEndsWithTheRest) {
  const std::string table = breakdown_table("decode", wide_breakdown(), kLimits);
  EXPECT_NE(table.find("4 more kinds"), std::string::npos) << table;
  EXPECT_EQ(table.find("Tiny"), std::string::npos) << table;
  EXPECT_NE(table.find("between operators"), std::string::npos);
  EXPECT_EQ(table.find("decode: 100.000 ms\n"), 0u);
}

TEST(BreakdownJson, KeepsEveryKind) {
  const Json json = breakdown_json(wide_breakdown(), kLimits);
  EXPECT_EQ(json["operators"].size(), 5u);
  EXPECT_NEAR(json["between_ms"].get<double>(), 0.46, 1e-9);
  EXPECT_NEAR(json["operators"][0]["share"].get<double>(), 0.995, 1e-12);
  EXPECT_EQ(json["operators"][0]["limit"], "memory");
}

}  // namespace
}  // namespace oag::cli
