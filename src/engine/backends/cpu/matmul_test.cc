#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "engine/backends/cpu/kernel_runner.h"

namespace oag::cpu {
namespace {

class MatMulOnIsa : public testing::TestWithParam<Isa> {};
INSTANTIATE_TEST_SUITE_P(EveryIsa, MatMulOnIsa, testing::ValuesIn(available_isas()),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

// Σ_k a(k) · b(k) in double, and how far f32 may be from it.
template <typename A, typename B>
void expect_dot(float actual, int64_t depth, A a, B b, double scale, double rest) {
  double sum = 0, size = 0;
  for (int64_t k = 0; k < depth; ++k) {
    sum += a(k) * b(k);
    size += std::fabs(a(k) * b(k));
  }
  ASSERT_NEAR(actual, scale * sum + rest, 2e-6 * (std::fabs(scale) * size + std::fabs(rest)) + 1e-12);
}

TEST_P(MatMulOnIsa, MatchesSumsInDoubleForEveryShape) {
  for (const int64_t rows : {1, 5, 6, 50, 97}) {
    for (const int64_t columns : {1, 15, 16, 33, 100}) {
      for (const int64_t depth : {0, 1, 64, 300}) {
        const Tensor a = random_f32({rows, depth}, 1), b = random_f32({depth, columns}, 2);
        const OperatorCase operation{"", "MatMul", {}, {a, b}};
        const Tensor y = KernelRunner(make_device(GetParam(), 1), operation).run()[0];
        ASSERT_EQ(y.dims(), (Dims{rows, columns}));
        const Tensor parallel = KernelRunner(make_device(GetParam(), 3), operation).run()[0];
        ASSERT_EQ(std::memcmp(y.data(), parallel.data(), y.size_bytes()), 0);
        for (int64_t r = 0; r < rows; ++r) {
          for (int64_t c = 0; c < columns; ++c) {
            expect_dot(
                y.values<float>()[static_cast<size_t>(r * columns + c)], depth,
                [&](int64_t k) { return double{a.values<float>()[static_cast<size_t>(r * depth + k)]}; },
                [&](int64_t k) { return double{b.values<float>()[static_cast<size_t>(k * columns + c)]}; }, 1,
                0);
          }
        }
      }
    }
  }
}

TEST_P(MatMulOnIsa, LeadingDimsBroadcastAndVectorsLoseTheirAddedDim) {
  const auto device = make_device(GetParam(), 2);
  const Tensor a = random_f32({3, 1, 4, 8}, 1), b = random_f32({2, 8, 5}, 2);
  const Tensor y = KernelRunner(device, {"", "MatMul", {}, {a, b}}).run()[0];
  ASSERT_EQ(y.dims(), (Dims{3, 2, 4, 5}));
  for (int64_t i = 0; i < 6; ++i) {
    const Tensor left(DType::kF32, {4, 8}, a.buffer(), static_cast<size_t>(i / 2 * 32) * 4);
    const Tensor right(DType::kF32, {8, 5}, b.buffer(), static_cast<size_t>(i % 2 * 40) * 4);
    const Tensor alone = KernelRunner(device, {"", "MatMul", {}, {left, right}}).run()[0];
    ASSERT_EQ(std::memcmp(alone.data(), y.values<float>().data() + i * 20, alone.size_bytes()), 0) << i;
  }
  const Tensor vector = random_f32({8}, 3), matrix = random_f32({8, 5}, 4);
  EXPECT_EQ(KernelRunner(device, {"", "MatMul", {}, {vector, matrix}}).run()[0].dims(), Dims{5});
  EXPECT_EQ(KernelRunner(device, {"", "MatMul", {}, {random_f32({6, 8}, 5), vector}}).run()[0].dims(),
            Dims{6});
  EXPECT_EQ(KernelRunner(device, {"", "MatMul", {}, {vector, vector}}).run()[0].dims(), Dims{});
}

// Rows of y are sums of the same products in the same order, whatever b is packed into and who else is there.
TEST_P(MatMulOnIsa, AConstantMatrixAndRowsInPlaceGiveTheSameBits) {
  const auto device = make_device(GetParam(), 2);
  for (const int64_t columns : {1, 31, 64, 130}) {
    for (const int64_t depth : {1, 70, 600}) {
      const Tensor a = random_f32({2, 40, depth}, 1), b = random_f32({depth, columns}, 2);
      const Tensor whole = KernelRunner(device, {"", "MatMul", {}, {a, b}}).run()[0];
      const Tensor packed = KernelRunner(device, {"", "MatMul", {}, {a, b}, 1, {1}}).run()[0];
      ASSERT_EQ(std::memcmp(whole.data(), packed.data(), whole.size_bytes()), 0) << columns << " " << depth;
      for (const int64_t row : {0, 1, 79}) {
        const Tensor one(DType::kF32, {depth}, a.buffer(), static_cast<size_t>(row * depth) * 4);
        const Tensor alone = KernelRunner(device, {"", "MatMul", {}, {one, b}}).run()[0];
        ASSERT_EQ(alone.dims(), Dims{columns});
        ASSERT_EQ(std::memcmp(alone.data(), whole.values<float>().data() + row * columns, alone.size_bytes()),
                  0)
            << columns << " " << depth << " row " << row;
      }
    }
  }
}

TEST_P(MatMulOnIsa, AConstantOfGemmIsPackedEitherWayRound) {
  const auto device = make_device(GetParam(), 2);
  const Tensor a = random_f32({9, 300}, 1), c = random_f32({50}, 3);
  for (const int64_t turned : {0, 1}) {
    const Tensor b = random_f32(turned ? Dims{50, 300} : Dims{300, 50}, 2);
    const Attributes attributes = {{"transB", turned}};
    const Tensor packed = KernelRunner(device, {"", "Gemm", attributes, {a, b, c}, 1, {1}}).run()[0];
    const Tensor given = KernelRunner(device, {"", "Gemm", attributes, {a, b, c}}).run()[0];
    EXPECT_EQ(std::memcmp(packed.data(), given.data(), given.size_bytes()), 0) << turned;
  }
}

TEST_P(MatMulOnIsa, EmptyMatricesGiveZerosOrNothing) {
  const auto device = make_device(GetParam(), 2);
  const auto product = [&](Dims a, Dims b) {
    return KernelRunner(device,
                        {"", "MatMul", {}, {random_f32(std::move(a), 1), random_f32(std::move(b), 2)}})
        .run()[0];
  };
  EXPECT_EQ(product({0, 4}, {4, 3}).dims(), (Dims{0, 3}));
  EXPECT_EQ(product({2, 0, 4}, {4, 3}).dims(), (Dims{2, 0, 3}));
  EXPECT_EQ(product({2, 4}, {4, 0}).dims(), (Dims{2, 0}));
  const Tensor nothing = product({5, 2, 0}, {0, 3});
  EXPECT_EQ(nothing.dims(), (Dims{5, 2, 3}));
  for (const float value : nothing.values<float>()) EXPECT_EQ(value, 0.0f);
}

TEST(MatMulOnBestIsa, ACancelIsSeenWithin20MsAlsoAmongManySmallProducts) {
  const auto device = make_device(available_isas().back(), 2);
  const Tensor large = random_f32({4096, 4096}, 1), small = random_f32({400, 512, 512}, 2);
  EXPECT_LT(median_cancel_delay_ms(KernelRunner(device, {"", "MatMul", {}, {large, large}})),
            cancel_limit_ms());
  EXPECT_LT(median_cancel_delay_ms(KernelRunner(device, {"", "MatMul", {}, {small, small}})),
            cancel_limit_ms());
}

TEST_P(MatMulOnIsa, GemmTransposesScalesAndAddsC) {
  const int64_t rows = 13, depth = 21, columns = 35;
  for (const int64_t turn_a : {0, 1}) {
    for (const int64_t turn_b : {0, 1}) {
      const Tensor a = random_f32(turn_a ? Dims{depth, rows} : Dims{rows, depth}, 1);
      const Tensor b = random_f32(turn_b ? Dims{columns, depth} : Dims{depth, columns}, 2);
      for (const Dims& shape :
           {Dims{columns}, Dims{rows, columns}, Dims{rows, 1}, Dims{}, Dims{1, columns}}) {
        const Tensor c = random_f32(shape, 3);
        const OperatorCase operation{
            "", "Gemm", {{"transA", turn_a}, {"transB", turn_b}, {"alpha", 0.5f}, {"beta", 2.0f}}, {a, b, c}};
        const Tensor y = KernelRunner(make_device(GetParam(), 2), operation).run()[0];
        for (int64_t r = 0; r < rows; ++r) {
          for (int64_t n = 0; n < columns; ++n) {
            const int64_t c_at = shape.empty() ? 0
                                               : (shape.size() == 2 && shape[0] > 1 ? r * shape.back() : 0) +
                                                     (shape.back() > 1 ? n : 0);
            expect_dot(
                y.values<float>()[static_cast<size_t>(r * columns + n)], depth,
                [&](int64_t k) {
                  return double{
                      a.values<float>()[static_cast<size_t>(turn_a ? k * rows + r : r * depth + k)]};
                },
                [&](int64_t k) {
                  return double{
                      b.values<float>()[static_cast<size_t>(turn_b ? n * depth + k : k * columns + n)]};
                },
                0.5, 2.0 * c.values<float>()[static_cast<size_t>(c_at)]);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace oag::cpu
