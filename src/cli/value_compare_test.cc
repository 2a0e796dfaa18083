#include "cli/value_compare.h"

#include <gtest/gtest.h>

#include <limits>

#include "engine/tensor/container.h"
#include "engine/tensor/float16.h"

namespace oag::cli {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN(),
                kInfinity = std::numeric_limits<float>::infinity();

Tensor floats(std::vector<float> values) {
  return Tensor::of<float>(DType::kF32, {static_cast<int64_t>(values.size())},
                           std::span<const float>(values));
}

Tensor packed(DType dtype, std::vector<uint8_t> bytes, int64_t count) {
  return Tensor::of<uint8_t>(dtype, {count}, std::span<const uint8_t>(bytes));
}

std::string compare(const Tensor& seen, const Tensor& expected, Tolerance tolerance = {}) {
  return difference(seen, expected, tolerance);
}

TEST(ValueCompare, NumbersMayDifferByBothTolerancesTogether) {
  const Tolerance tolerance{0.125, 0.25};
  EXPECT_EQ(compare(floats({8, -8}), floats({9, -9}), tolerance), "");  // 1 <= 0.25 + 0.125 * 9
  EXPECT_EQ(compare(floats({1, 4, 8}), floats({1, 2, 10}), tolerance),
            "2 of 3 values differ, most at [1]: 4, expected 2 (allowed 0.25 + 0.125 of it)");
}

TEST(ValueCompare, NaNAndInfinitiesEqualTheirOwnKindAlone) {
  EXPECT_EQ(compare(floats({kNaN, kInfinity, -kInfinity}), floats({kNaN, kInfinity, -kInfinity})), "");
  EXPECT_NE(compare(floats({kInfinity}), floats({-kInfinity})), "");
  EXPECT_NE(compare(floats({1}), floats({kNaN})), "");
  EXPECT_NE(compare(floats({kNaN}), floats({1})), "");
  EXPECT_NE(compare(floats({1}), floats({kInfinity})), "");
}

TEST(ValueCompare, TypesAndShapesAreExact) {
  EXPECT_EQ(compare(floats({1}), floats({1}).reshaped({})), "is f32[1], expected f32[]");
  EXPECT_EQ(compare(packed(DType::kU8, {1}, 1), packed(DType::kI8, {1}, 1)), "is u8[1], expected i8[1]");
  EXPECT_EQ(compare(floats({1, 2}), floats({5, 6}), {1e-3, 1e-7, false}), "");
  EXPECT_NE(compare(floats({1, 2}), floats({5}), {1e-3, 1e-7, false}), "");
}

TEST(ValueCompare, EveryNarrowTypeIsReadAsItsNumbers) {
  const Tolerance exact{0, 0};
  // Nibbles from the low end: 1, -1, 7.
  EXPECT_EQ(compare(packed(DType::kI4, {0xf1, 0x07}, 3), packed(DType::kI4, {0xf1, 0xf7}, 3), exact), "");
  EXPECT_EQ(compare(packed(DType::kI4, {0xf1}, 2), packed(DType::kI4, {0x71}, 2), exact),
            "1 of 2 values differ, most at [1]: -1, expected 7 (allowed 0 + 0 of it)");
  EXPECT_NE(
      compare(packed(DType::kI2, {0x3}, 1), packed(DType::kI2, {0x1}, 1), exact).find(": -1, expected 1"),
      std::string::npos);
  EXPECT_NE(compare(packed(DType::kF4E2M1, {0x97}, 2), packed(DType::kF4E2M1, {0x17}, 2), exact)
                .find(": -0.5, expected 0.5"),
            std::string::npos);
  EXPECT_NE(compare(packed(DType::kF8E8M0, {126}, 1), packed(DType::kF8E8M0, {128}, 1), exact)
                .find(": 0.5, expected 2"),
            std::string::npos);
  EXPECT_EQ(compare(packed(DType::kF8E8M0, {255}, 1), packed(DType::kF8E8M0, {255}, 1), exact), "");
}

TEST(ValueCompare, LargeIntegersAreNotRounded) {
  const int64_t a[] = {std::numeric_limits<int64_t>::max()}, b[] = {a[0] - 1};
  EXPECT_NE(
      compare(Tensor::of<int64_t>(DType::kI64, {1}, a), Tensor::of<int64_t>(DType::kI64, {1}, b), {0, 0}),
      "");
}

TEST(ValueCompare, BFloat16GetsAWiderTolerance) {
  const auto one = [](float value) {
    const uint16_t bits[] = {bf16_from_f32(value)};
    return Tensor::of<uint16_t>(DType::kBF16, {1}, bits);
  };
  EXPECT_EQ(compare(one(1.015625f), one(1)), "");
  EXPECT_NE(compare(one(1.03125f), one(1)), "");
}

TEST(ValueCompare, ContainersAreComparedByElement) {
  const auto list = [](std::vector<Tensor> elements) { return make_sequence(std::move(elements)); };
  EXPECT_EQ(compare(list({floats({1}), floats({2, 3})}), list({floats({1}), floats({2, 3})})), "");
  EXPECT_EQ(compare(list({floats({1})}), list({})), "is sequence of 1, expected sequence of 0");
  EXPECT_EQ(compare(list({floats({1}), floats({2})}), list({floats({1}), floats({4})})),
            "element 1: 1 of 1 values differ, most at [0]: 2, expected 4 (allowed 1e-07 + 0.001 of it)");
  EXPECT_EQ(compare(make_optional({}), make_optional(floats({1}))),
            "is optional, empty, expected optional of f32[1]");
  const Tensor keys = make_strings({1}, {"a"}), other = make_strings({1}, {"b"});
  EXPECT_EQ(compare(make_map(keys, floats({1})), make_map(keys, floats({1}))), "");
  EXPECT_EQ(compare(make_map(keys, floats({1})), make_map(other, floats({1}))),
            "keys: the string at [0] is \"a\", expected \"b\"");
}

}  // namespace
}  // namespace oag::cli
