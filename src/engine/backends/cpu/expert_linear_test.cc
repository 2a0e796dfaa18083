#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "engine/backends/cpu/kernel_runner.h"

namespace oag::cpu {
namespace {

constexpr int64_t kExperts = 5;

std::vector<Tensor> matrices(DType dtype, int64_t outputs, int64_t inputs) {
  std::vector<Tensor> all;
  for (uint32_t e = 0; e < kExperts; ++e) all.push_back(random_weights(dtype, outputs, inputs, 7 + e));
  return all;
}

// Each token's choices differ from each other; expert 3 is never chosen.
Tensor choices(int64_t tokens, int64_t used) {
  std::mt19937 engine(static_cast<uint32_t>(tokens));
  Tensor experts = Tensor::host(DType::kI64, {tokens, used});
  for (int64_t t = 0; t < tokens; ++t) {
    std::set<int64_t> seen = {3};
    for (int64_t j = 0; j < used; ++j) {
      int64_t expert = 3;
      while (!seen.insert(expert).second) expert = static_cast<int64_t>(engine() % kExperts);
      experts.values<int64_t>()[static_cast<size_t>(t * used + j)] = expert;
    }
  }
  return experts;
}

OperatorCase expert_linear(Tensor x, Tensor experts, const std::vector<Tensor>& w, bool constant) {
  OperatorCase operation = {"oag", "ExpertLinear", {}, {std::move(x), std::move(experts)}, 1, {}};
  for (const Tensor& matrix : w) {
    if (constant) operation.constants.push_back(operation.inputs.size());
    operation.inputs.push_back(matrix);
  }
  return operation;
}

class ExpertLinearOnIsa : public testing::TestWithParam<Isa> {};
INSTANTIATE_TEST_SUITE_P(EveryIsa, ExpertLinearOnIsa, testing::ValuesIn(available_isas()),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

// The oracle is oag.Linear on one row, which has its own tests against sums in double.
TEST_P(ExpertLinearOnIsa, GivesEachChoiceWhatLinearGivesOneRowBitForBit) {
  const auto device = make_device(GetParam(), 2);
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ4_0, DType::kQ8_0, DType::kQ4_K,
                            DType::kQ6_K, DType::kMXFP4}) {
    const int64_t inputs = 256;
    for (const int64_t outputs : {7, 600}) {
      const std::vector<Tensor> w = matrices(dtype, outputs, inputs);
      for (const int64_t tokens : {0, 1, 2, 9, 40}) {
        for (const bool by_choice : {false, true}) {
          const int64_t used = 2;
          const Dims dims = by_choice ? Dims{tokens, used, inputs} : Dims{tokens, inputs};
          const Tensor x = random_f32(dims, 11), experts = choices(tokens, used);
          const KernelRunner runner(device, expert_linear(x, experts, w, tokens != 2));
          ASSERT_TRUE(runner.accepted()) << runner.refusals();
          const Tensor y = runner.run()[0];
          ASSERT_EQ(y.dims(), (Dims{tokens, used, outputs}));
          for (int64_t at = 0; at < tokens * used; ++at) {
            const Tensor row = Tensor::host(DType::kF32, {1, inputs});
            const int64_t from = by_choice ? at : at / used;
            std::memcpy(row.data(), x.data() + from * inputs * 4, static_cast<size_t>(inputs) * 4);
            const auto expert = static_cast<size_t>(experts.values<int64_t>()[static_cast<size_t>(at)]);
            const Tensor alone =
                KernelRunner(device, {"oag", "Linear", {}, {row, w[expert], {}}, 1, {1}}).run()[0];
            ASSERT_EQ(
                std::memcmp(y.data() + at * outputs * 4, alone.data(), static_cast<size_t>(outputs) * 4), 0)
                << dtype_name(dtype) << " choice " << at << " of " << tokens << " tokens";
          }
        }
      }
    }
  }
}

TEST_P(ExpertLinearOnIsa, AgreesWithTheReferenceInF32) {
  const KernelRunner runner(make_device(GetParam(), 2), expert_linear(random_f32({13, 96}, 1), choices(13, 3),
                                                                      matrices(DType::kF32, 33, 96), true));
  const Tensor y = runner.run()[0], reference = runner.reference()[0];
  for (size_t i = 0; i < y.values<float>().size(); ++i)
    ASSERT_NEAR(y.values<float>()[i], reference.values<float>()[i], 1e-5) << i;
}

TEST(ExpertLinear, AnExpertThatThereIsNotIsAnErrorOfTheRun) {
  for (const int64_t bad : {int64_t{-1}, kExperts}) {
    const Tensor experts = choices(4, 2);
    experts.values<int64_t>()[5] = bad;
    const KernelRunner runner(
        make_device(available_isas().front(), 1),
        expert_linear(random_f32({4, 32}, 1), experts, matrices(DType::kF32, 8, 32), true));
    for (const bool reference : {false, true}) {
      try {
        reference ? runner.reference() : runner.run();
        FAIL() << "accepted expert " << bad;
      } catch (const Error& error) {
        EXPECT_NE(
            std::string(error.what()).find("choice 5 is expert " + std::to_string(bad) + ", there are 5"),
            std::string::npos)
            << error.what();
      }
    }
  }
}

}  // namespace
}  // namespace oag::cpu
