#include "base/samples.h"

#include <gtest/gtest.h>

namespace oag {
namespace {

TEST(Samples, InterpolateBetweenOrderedValues) {
  Samples samples;
  EXPECT_EQ(samples.median(), 0);
  EXPECT_EQ(samples.spread(), 0);
  for (const double value : {5.0, 1.0, 3.0, 2.0, 4.0}) samples.add(value);
  EXPECT_DOUBLE_EQ(samples.median(), 3);
  EXPECT_DOUBLE_EQ(samples.at(0.1), 1.4);
  EXPECT_DOUBLE_EQ(samples.at(0.9), 4.6);
  EXPECT_DOUBLE_EQ(samples.spread(), 1.6 / 3);
}

TEST(Samples, ThatComeTogetherAreOrderedToo) {
  Samples samples;
  samples.add(4);
  samples.add(std::vector<double>{9.0, 1.0});
  EXPECT_EQ(samples.size(), 3U);
  EXPECT_DOUBLE_EQ(samples.median(), 4);
  EXPECT_DOUBLE_EQ(samples.mean(), 14.0 / 3);
  EXPECT_DOUBLE_EQ(samples.at(1), 9);
}

}  // namespace
}  // namespace oag
