// Expected texts are what Python's repr() and numpy print for the same values.
#include "engine/ops/number_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/ops/element.h"

namespace oag {
namespace {

std::string text_of(DType dtype, double value) {
  const Tensor tensor = Tensor::host(dtype, {1});
  store_elements<double>(tensor, 0, 1, {&value, 1});
  return text_of_element(tensor, 0);
}

TEST(NumberTextTest, FloatsAreWrittenWithTheFewestDigits) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(text_of(DType::kF32, 0.1), "0.1");
  EXPECT_EQ(text_of(DType::kF32, 0.47892547), "0.47892547");
  EXPECT_EQ(text_of(DType::kF32, 1.0 / 3), "0.33333334");
  EXPECT_EQ(text_of(DType::kF64, 1.0 / 3), "0.3333333333333333");
  EXPECT_EQ(text_of(DType::kF16, 1.0 / 3), "0.3333");
  EXPECT_EQ(text_of(DType::kF64, 3), "3.0");
  EXPECT_EQ(text_of(DType::kF64, -2.5), "-2.5");
  EXPECT_EQ(text_of(DType::kF64, 0.0001), "0.0001");
  EXPECT_EQ(text_of(DType::kF64, 0.00001), "1e-05");
  EXPECT_EQ(text_of(DType::kF64, 123456789), "123456789.0");
  EXPECT_EQ(text_of(DType::kF64, 9.9e15), "9900000000000000.0");
  EXPECT_EQ(text_of(DType::kF64, 1e16), "1e+16");
  EXPECT_EQ(text_of(DType::kF32, 3.4e38), "3.4e+38");
  EXPECT_EQ(text_of(DType::kF64, 1.7976931348623157e308), "1.7976931348623157e+308");
  EXPECT_EQ(text_of(DType::kF64, -0.0), "-0.0");
  EXPECT_EQ(text_of(DType::kF32, -kInfinity), "-inf");
  EXPECT_EQ(text_of(DType::kBF16, std::nan("")), "nan");
  EXPECT_EQ(text_of(DType::kF4E2M1, 1.5), "1.5");
}

TEST(NumberTextTest, IntegersAndTruthValuesAreWrittenPlainly) {
  EXPECT_EQ(text_of(DType::kI4, -8), "-8");
  EXPECT_EQ(text_of(DType::kU8, 255), "255");
  EXPECT_EQ(text_of(DType::kBool, 1), "True");
}

TEST(NumberTextTest, NumbersAreReadInAnyNotation) {
  EXPECT_EQ(parse_number(" +3.5 ", DType::kF64), 3.5);
  EXPECT_EQ(parse_number("1E8", DType::kF32), 1e8);
  EXPECT_EQ(parse_number("0.1", DType::kF32), static_cast<double>(0.1f));
  EXPECT_EQ(parse_number("-INF", DType::kF64), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(parse_number("1e999", DType::kF64), std::numeric_limits<double>::infinity());
  EXPECT_EQ(parse_number("-1e-999", DType::kF64), 0.0);
  EXPECT_TRUE(std::isnan(parse_number("NaN", DType::kF64).value_or(0)));
  EXPECT_EQ(parse_signed("-9223372036854775808"), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(parse_signed("100.5"), 100);
  EXPECT_EQ(parse_unsigned("18446744073709551615"), std::numeric_limits<uint64_t>::max());
}

TEST(NumberTextTest, OtherTextsAreNoNumbers) {
  for (const char* text : {"", " ", "Hello", "1 2", "+-3", "1e", "0x10", "--1"})
    EXPECT_EQ(parse_number(text, DType::kF64), std::nullopt) << text;
  EXPECT_EQ(parse_signed("nan"), std::nullopt);
}

}  // namespace
}  // namespace oag
