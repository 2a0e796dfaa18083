#include "cli/terminal.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace oag::cli {
namespace {

TEST(FormatTable, AlignsNumbersRightAndTextLeft) {
  EXPECT_EQ(format_table({{"name", "size"}, {"a", "5 B"}, {"long name", "1234 B"}}),
            "name         size\n"
            "a             5 B\n"
            "long name  1234 B\n");
}

TEST(FormatTable, LeavesNoSpacesAtTheEndOfALine) {
  EXPECT_EQ(format_table({{"a", "text"}, {"b", "x"}}), "a  text\nb  x\n");
}

TEST(FormatTable, CountsWideCharactersTwiceAndSeveralBytesOnce) {
  EXPECT_EQ(format_table({{"k", "v"}, {"模型", "x"}, {"é", "y"}}), "k     v\n模型  x\né     y\n");
}

TEST(FormatTable, KeepsAColumnRightAlignedThatHasDashesForMissingNumbers) {
  EXPECT_EQ(format_table({{"ms"}, {"-"}, {"12.5"}}), "  ms\n   -\n12.5\n");
}

TEST(FormatTable, TakesRowsOfDifferentLength) {
  EXPECT_EQ(format_table({{"a", "b"}, {"only"}}), "a     b\nonly\n");
  EXPECT_EQ(format_table({}), "");
}

TEST(FormatBytes, UsesDecimalUnits) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "1.0 kB");
  EXPECT_EQ(format_bytes(98'362'432), "98.4 MB");
  EXPECT_EQ(format_bytes(25'276'502'016), "25.28 GB");
}

TEST(Color, IsOffInAPipeAndWithNoColor) {
  ::unsetenv("NO_COLOR");
  ::setenv("TERM", "xterm", 1);
  EXPECT_TRUE(use_color(true));
  EXPECT_FALSE(use_color(false));
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(use_color(true));
  ::unsetenv("NO_COLOR");
  ::setenv("TERM", "dumb", 1);
  EXPECT_FALSE(use_color(true));
  EXPECT_EQ(dim("x", false), "x");
}

TEST(ProgressBar, WritesNothingIntoAPipe) {
  testing::internal::CaptureStderr();
  {
    ProgressBar bar;
    bar.update("downloading", 1, 2);
    bar.update_count("windows", 2, 2);
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(PeakMemory, IsAtLeastWhatWasTouched) {
  const std::vector<char> block(size_t{32} << 20, 'x');
  EXPECT_GE(peak_memory_bytes(), block.size());
}

}  // namespace
}  // namespace oag::cli
