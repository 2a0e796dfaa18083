#include "engine/tensor/dim.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace oag {
namespace {

const Dim kT = Dim::symbol("T");
const Dim kN = Dim::symbol("N");

TEST(Dim, EqualExpressionsCompareEqual) {
  EXPECT_EQ(kT + kT, Dim(2) * kT);
  EXPECT_EQ((kT + Dim(1)) * (kT - Dim(1)), kT * kT - Dim(1));
  EXPECT_EQ(kT * kN, kN * kT);
  EXPECT_EQ(kT - kT, Dim(0));
  EXPECT_FALSE(kT == kN);
  EXPECT_FALSE(kT == Dim(3));
}

TEST(Dim, ExactDivisionsDisappear) {
  EXPECT_EQ(floor_div(Dim(6) * kT, Dim(3)), Dim(2) * kT);
  EXPECT_EQ(ceil_div(Dim(6) * kT, Dim(3)), Dim(2) * kT);
  EXPECT_EQ(floor_div(kT, kT), Dim(1));
  EXPECT_EQ(floor_div(kT, Dim(1)), kT);
}

TEST(Dim, DivisionRoundsTowardsTheSideItNames) {
  const DimBindings bindings = {{"T", 7}};
  EXPECT_EQ(floor_div(kT, Dim(2)).evaluate(bindings), 3);
  EXPECT_EQ(ceil_div(kT, Dim(2)).evaluate(bindings), 4);
  EXPECT_EQ(floor_div(Dim(-7), Dim(2)), Dim(-4));
  EXPECT_EQ(ceil_div(Dim(-7), Dim(2)), Dim(-3));
}

TEST(Dim, EvaluatesUnderBindingsAndNotWithoutThem) {
  const Dim dim = max(kT * Dim(3) + Dim(1), min(kN, Dim(100)));
  EXPECT_EQ(dim.evaluate({{"T", 5}, {"N", 50}}), 50);
  EXPECT_EQ(dim.evaluate({{"T", 40}, {"N", 500}}), 121);
  EXPECT_EQ(dim.evaluate({{"T", 5}}), std::nullopt);
  EXPECT_EQ(floor_div(kT, kN).evaluate({{"T", 5}, {"N", 0}}), std::nullopt);
}

TEST(Dim, PrintsReadably) {
  EXPECT_EQ(kT.to_string(), "T");
  EXPECT_EQ((Dim(2) * kT + Dim(1)).to_string(), "(1 + 2*T)");
  EXPECT_EQ(to_string(Shape{kT, 576}), "[T, 576]");
  EXPECT_EQ(kT.symbol_name(), "T");
  EXPECT_EQ((kT + Dim(1)).symbol_name(), std::nullopt);
}

TEST(Dims, ElementCountRefusesOverflow) {
  EXPECT_EQ(element_count(Dims{2, 3, 4}), 24);
  EXPECT_EQ(element_count(Dims{}), 1);
  EXPECT_THROW(element_count(Dims{int64_t{1} << 40, int64_t{1} << 40}), Error);
  EXPECT_THROW(element_count(Dims{-1}), Error);
}

}  // namespace
}  // namespace oag
