#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "engine/backends/cpu/kernel_runner.h"

namespace oag::cpu {
namespace {

class RecurrentOnIsa : public testing::TestWithParam<Isa> {};
INSTANTIATE_TEST_SUITE_P(EveryIsa, RecurrentOnIsa, testing::ValuesIn(available_isas()),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

struct Sizes {
  int64_t steps, batch, size, hidden;
};

enum Inputs { kBias = 1, kLengths = 2, kStates = 4 };

OperatorCase make_case(const std::string& op, const Sizes& sizes, int inputs, Attributes attributes) {
  const int64_t gates = op == "LSTM" ? 4 : op == "GRU" ? 3 : 1;
  const auto direction = attributes.find("direction");
  const bool both =
      direction != attributes.end() && std::get<std::string>(direction->second) == "bidirectional";
  const int64_t directions = both ? 2 : 1, rows = gates * sizes.hidden;
  const auto layout = attributes.find("layout");
  const bool batch_first = layout != attributes.end() && std::get<int64_t>(layout->second) == 1;
  const auto first = [&](int64_t other, int64_t rest) {
    return batch_first ? Dims{sizes.batch, other, rest} : Dims{other, sizes.batch, rest};
  };
  OperatorCase made{"", op, std::move(attributes), {}, op == "LSTM" ? 3u : 2u};
  made.inputs = {random_f32(first(sizes.steps, sizes.size), 1),
                 random_f32({directions, rows, sizes.size}, 2, -0.4f, 0.4f),
                 random_f32({directions, rows, sizes.hidden}, 3, -0.4f, 0.4f),
                 inputs & kBias ? random_f32({directions, 2 * rows}, 4) : Tensor(),
                 Tensor(),
                 inputs & kStates ? random_f32(first(directions, sizes.hidden), 5) : Tensor()};
  if (inputs & kLengths) {
    made.inputs[4] = Tensor::host(DType::kI32, {sizes.batch});
    for (int64_t b = 0; b < sizes.batch; ++b)
      made.inputs[4].values<int32_t>()[static_cast<size_t>(b)] =
          static_cast<int32_t>((b * 3 + sizes.steps) % (sizes.steps + 1));
  }
  if (op == "LSTM")
    made.inputs.push_back(inputs & kStates ? random_f32(first(directions, sizes.hidden), 6) : Tensor());
  return made;
}

void expect_right(Isa isa, const OperatorCase& operation, const std::string& name) {
  SCOPED_TRACE(name);
  const KernelRunner runner(make_device(isa, 1), operation);
  ASSERT_TRUE(runner.accepted()) << runner.refusals();
  const auto outputs = runner.run(), expected = runner.reference();
  OperatorCase constant = operation;
  constant.constants = {1, 2};
  const auto packed = KernelRunner(make_device(isa, 3), constant).run();
  for (size_t o = 0; o < outputs.size(); ++o) {
    ASSERT_EQ(outputs[o].dims(), expected[o].dims());
    ASSERT_EQ(std::memcmp(outputs[o].data(), packed[o].data(), outputs[o].size_bytes()), 0) << o;
    for (size_t i = 0; i < static_cast<size_t>(expected[o].count()); ++i) {
      ASSERT_NEAR(outputs[o].values<float>()[i], expected[o].values<float>()[i], 1e-5)
          << "output " << o << " at " << i;
    }
  }
}

TEST_P(RecurrentOnIsa, MatchesTheReferenceForEveryDirectionLayoutAndInput) {
  const Sizes every[] = {{1, 1, 3, 5}, {7, 1, 16, 32}, {5, 3, 4, 33}, {4, 14, 9, 20}, {3, 2, 300, 270}};
  for (const std::string op : {"LSTM", "GRU", "RNN"}) {
    for (const Sizes& sizes : every) {
      for (const std::string direction : {"forward", "reverse", "bidirectional"}) {
        for (const int inputs : {0, kBias | kStates, kBias | kLengths | kStates}) {
          const int64_t layout = inputs == 0 ? 1 : 0;
          Attributes attributes = {{"direction", direction}, {"layout", layout}};
          expect_right(GetParam(), make_case(op, sizes, inputs, attributes),
                       op + " " + direction + " " + std::to_string(inputs) + " hidden " +
                           std::to_string(sizes.hidden));
          if (op != "GRU") continue;
          attributes["linear_before_reset"] = int64_t{1};
          expect_right(GetParam(), make_case(op, sizes, inputs, attributes), "GRU, reset after " + direction);
        }
      }
    }
  }
}

TEST_P(RecurrentOnIsa, AWideSequenceAloneIsSharedOutWithEqualResults) {
  expect_right(GetParam(), make_case("LSTM", {3, 1, 40, 520}, kBias, {}), "LSTM");
  expect_right(GetParam(), make_case("GRU", {3, 1, 40, 600}, kBias, {}), "GRU");
}

TEST_P(RecurrentOnIsa, EmptySequencesKeepTheState) {
  const auto device = make_device(GetParam(), 2);
  const OperatorCase empty = make_case("LSTM", {0, 2, 4, 8}, kStates, {});
  const auto outputs = KernelRunner(device, empty).run();
  EXPECT_EQ(outputs[0].count(), 0);
  EXPECT_EQ(std::memcmp(outputs[1].data(), empty.inputs[5].data(), outputs[1].size_bytes()), 0);
  EXPECT_EQ(std::memcmp(outputs[2].data(), empty.inputs[6].data(), outputs[2].size_bytes()), 0);
  EXPECT_EQ(KernelRunner(device, make_case("GRU", {3, 0, 4, 8}, 0, {})).run()[0].count(), 0);
}

TEST_P(RecurrentOnIsa, WhatIsNotServedIsRefusedWithAReason) {
  const auto device = make_device(GetParam(), 1);
  const Sizes sizes = {2, 1, 3, 4};
  OperatorCase peepholes = make_case("LSTM", sizes, 0, {});
  peepholes.inputs.push_back(random_f32({1, 12}, 1));
  const OperatorCase refused[] = {
      peepholes, make_case("LSTM", sizes, 0, {{"clip", 1.0f}}),
      make_case("LSTM", sizes, 0, {{"input_forget", int64_t{1}}}),
      make_case("RNN", sizes, 0, {{"activations", std::vector<std::string>{"Relu"}}})};
  for (const OperatorCase& operation : refused) {
    const KernelRunner runner(device, operation);
    EXPECT_FALSE(runner.accepted());
    ASSERT_FALSE(runner.choice().refusals.empty());
    EXPECT_FALSE(runner.choice().refusals[0].second.empty());
  }
}

TEST(RecurrentOnBestIsa, ACancelIsSeenWithin20Ms) {
  const auto device = make_device(available_isas().back(), 2);
  const KernelRunner runner(device, make_case("LSTM", {20000, 8, 64, 256}, kBias, {}));
  EXPECT_LT(median_cancel_delay_ms(runner), cancel_limit_ms());
}

}  // namespace
}  // namespace oag::cpu
