// Reductions, Softmax along any dim, Transpose, Cast and Gather against the reference kernels, over many
// shapes.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "engine/backends/cpu/kernel_runner.h"

namespace oag::cpu {
namespace {

class MovesOnIsa : public testing::TestWithParam<Isa> {};
INSTANTIATE_TEST_SUITE_P(EveryIsa, MovesOnIsa, testing::ValuesIn(available_isas()),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

Tensor integers(const std::vector<int64_t>& values) {
  return Tensor::of<int64_t>(DType::kI64, {static_cast<int64_t>(values.size())}, values);
}

// Equal bits with one thread and with three; near the reference, or equal where `relative` is 0.
void expect_right(Isa isa, const OperatorCase& operation, double relative, double absolute) {
  const KernelRunner runner(make_device(isa, 1), operation);
  ASSERT_TRUE(runner.accepted()) << runner.refusals();
  const Tensor y = runner.run()[0], expected = runner.reference()[0];
  const Tensor parallel = KernelRunner(make_device(isa, 3), operation).run()[0];
  ASSERT_EQ(y.dims(), expected.dims());
  ASSERT_EQ(y.dtype(), expected.dtype());
  ASSERT_EQ(std::memcmp(y.data(), parallel.data(), y.size_bytes()), 0);
  if (relative == 0) {
    ASSERT_EQ(std::memcmp(y.data(), expected.data(), y.size_bytes()), 0);
    return;
  }
  for (size_t i = 0; i < static_cast<size_t>(y.count()); ++i) {
    const float a = y.values<float>()[i], e = expected.values<float>()[i];
    if (std::isnan(e) || std::isinf(e)) {
      ASSERT_TRUE(std::isnan(e) ? std::isnan(a) : a == e) << i << ": " << a << ", not " << e;
    } else {
      ASSERT_NEAR(a, e, absolute + relative * std::fabs(e)) << i;
    }
  }
}

TEST_P(MovesOnIsa, ReductionsMatchTheReferenceOverEveryAxis) {
  const std::pair<Dims, std::vector<std::vector<int64_t>>> shapes[] = {
      {{}, {{}}},
      {{7}, {{0}, {}}},
      {{3, 70}, {{0}, {1}, {0, 1}}},
      {{2, 5, 3, 130}, {{1}, {-1}, {0, 2}, {1, 3}, {0, 3}, {2, 3}, {0, 1, 2}, {}}},
      {{600, 9}, {{0}, {1}}},
      {{2, 70000}, {{1}, {0}}},
      {{0, 4}, {{0}, {1}}},
      {{3, 0, 2}, {{1}}}};
  for (const char* op :
       {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare"}) {
    for (const auto& [dims, lists] : shapes) {
      for (const auto& axes : lists) {
        for (const int64_t keep : {0, 1}) {
          SCOPED_TRACE(std::string(op) + to_string(dims) + " over " + to_string(axes));
          const OperatorCase operation{
              "", op, {{"keepdims", keep}}, {random_f32(dims, 1, -1, 2), integers(axes)}, 1, {1}};
          expect_right(GetParam(), operation, 2e-6, 1e-5);
        }
      }
    }
    const OperatorCase nothing{
        "", op, {{"noop_with_empty_axes", int64_t{1}}}, {random_f32({4, 5}, 1, -1, 2), integers({})}, 1, {1}};
    expect_right(GetParam(), nothing, 1e-6, 1e-6);
  }
}

TEST_P(MovesOnIsa, ExtremesOfWhatHasANaNAreNaN) {
  for (const char* op : {"ReduceMax", "ReduceMin"}) {
    for (const size_t place : {0u, 1u, 63u, 64u, 99u}) {
      Tensor x = random_f32({100, 3}, 1);
      x.values<float>()[place * 3 + 1] = NAN;
      x.values<float>()[5] = INFINITY;
      expect_right(GetParam(), {"", op, {}, {x, integers({0})}, 1, {1}}, 1e-6, 0);
      expect_right(GetParam(), {"", op, {}, {x, integers({1})}, 1, {1}}, 1e-6, 0);
      expect_right(GetParam(), {"", op, {}, {x, integers({0, 1})}, 1, {1}}, 1e-6, 0);
    }
  }
}

TEST_P(MovesOnIsa, SoftmaxMatchesTheReferenceAlongEveryAxis) {
  for (const Dims& dims : {Dims{3, 40, 7}, Dims{2, 3, 130}, Dims{5, 1, 1}, Dims{2, 0, 3}, Dims{1, 64, 64}}) {
    for (const int64_t axis : {0, 1, 2, -2}) {
      SCOPED_TRACE(to_string(dims) + " along " + std::to_string(axis));
      expect_right(GetParam(), {"", "Softmax", {{"axis", axis}}, {random_f32(dims, 1, -9, 9)}}, 4e-6, 1e-9);
    }
  }
}

TEST_P(MovesOnIsa, TransposesOfEveryElementSizeAndOrder) {
  for (const DType dtype : {DType::kBool, DType::kF16, DType::kF32, DType::kI64, DType::kC128}) {
    for (const Dims& dims : {Dims{2, 3, 4, 5}, Dims{1, 70, 1, 33}, Dims{3, 17, 66, 2}, Dims{2, 0, 3, 1}}) {
      Tensor x = Tensor::host(dtype, dims);
      for (size_t i = 0; i < x.size_bytes(); ++i) x.data()[i] = static_cast<std::byte>(i * 37 % 251 & 1);
      std::vector<int64_t> perm = {0, 1, 2, 3};
      do {
        SCOPED_TRACE(to_string(dims) + " by " + to_string(perm));
        expect_right(GetParam(), {"", "Transpose", {{"perm", perm}}, {x}}, 0, 0);
      } while (std::next_permutation(perm.begin(), perm.end()));
    }
  }
  expect_right(GetParam(), {"", "Transpose", {}, {random_f32({300, 200}, 1)}}, 0, 0);
  expect_right(GetParam(), {"", "Transpose", {}, {random_f32({}, 1)}}, 0, 0);
}

TEST_P(MovesOnIsa, CastsRoundTruncateAndSaturateAsTheReferenceDoes) {
  const float some[] = {0.0f,   -0.0f, 1.5f,   -1.5f, 2.5f,     127.6f,    128.0f, -129.0f,  255.9f,
                        300.0f, 1e10f, -1e10f, 1e20f, INFINITY, -INFINITY, NAN,    65519.9f, 1e-7f};
  Tensor x = Tensor::of<float>(DType::kF32, {18}, some);
  // By the codes of ONNX: f32 u8 i8 i32 i64 bool f16 f64 bf16.
  const int64_t codes[] = {1, 2, 3, 6, 7, 9, 10, 11, 16};
  for (const int64_t first : codes) {
    const OperatorCase operation{"", "Cast", {{"to", first}}, {x}};
    expect_right(GetParam(), operation, 0, 0);
    const Tensor middle = KernelRunner(make_device(GetParam(), 1), operation).reference()[0];
    for (const int64_t second : codes) {
      const OperatorCase again{"", "Cast", {{"to", second}}, {middle}};
      const KernelRunner runner(make_device(GetParam(), 1), again);
      SCOPED_TRACE(std::to_string(first) + " to " + std::to_string(second));
      if (runner.accepted()) expect_right(GetParam(), again, 0, 0);
    }
  }
  expect_right(GetParam(), {"", "Cast", {{"to", int64_t{7}}}, {random_f32({3, 5000}, 1, -9, 9)}}, 0, 0);
}

TEST_P(MovesOnIsa, GathersAlongEveryAxis) {
  for (const int64_t axis : {0, 1, 2, -1}) {
    const Tensor f32 = random_f32({4, 5, 6}, 1);
    const OperatorCase operation{
        "",
        "Gather",
        {{"axis", axis}},
        {f32, Tensor::of<int64_t>(DType::kI64, {2, 2}, std::vector<int64_t>{0, 3, -1, -4})}};
    expect_right(GetParam(), operation, 0, 0);
    const OperatorCase bytes{
        "",
        "Gather",
        {{"axis", axis}},
        {Tensor::of<uint8_t>(DType::kBool, {4, 5, 6}, std::vector<uint8_t>(120, 1)), integers({})}};
    expect_right(GetParam(), bytes, 0, 0);
  }
}

TEST_P(MovesOnIsa, ComparesBroadcastAndSeeNaNAsUnequal) {
  Tensor f32 = random_f32({4, 1, 300}, 1);
  f32.values<float>()[7] = NAN;
  f32.values<float>()[300] = 0.5f;
  const float half[] = {0.5f};
  const Tensor scalar = Tensor::of<float>(DType::kF32, {}, half);
  for (const char* op : {"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"}) {
    SCOPED_TRACE(op);
    expect_right(GetParam(), {"", op, {}, {f32, scalar}}, 0, 0);
    expect_right(GetParam(), {"", op, {}, {scalar, f32}}, 0, 0);
    expect_right(GetParam(), {"", op, {}, {f32, f32}}, 0, 0);
    expect_right(GetParam(), {"", op, {}, {f32, random_f32({3, 1}, 2)}}, 0, 0);
    expect_right(GetParam(), {"", op, {}, {f32, random_f32({0, 1}, 2)}}, 0, 0);
    expect_right(GetParam(), {"", op, {}, {integers({1, 2, 3}), integers({2})}}, 0, 0);
  }
}

TEST(MovesOnBestIsa, ACancelOfALongReductionIsSeenWithin20Ms) {
  const auto device = make_device(available_isas().back(), 2);
  const KernelRunner runner(device,
                            {"", "ReduceSum", {}, {random_f32({64, 1 << 20}, 1), integers({0})}, 1, {1}});
  EXPECT_LT(median_cancel_delay_ms(runner), cancel_limit_ms());
}

}  // namespace
}  // namespace oag::cpu
