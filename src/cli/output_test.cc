#include "cli/output.h"

#include <gtest/gtest.h>

namespace oag::cli {
namespace {

TEST(Printable, EscapesWhatDrivesATerminalAndKeepsTheRest) {
  EXPECT_EQ(printable("plain, é, 你好, 🎉"), "plain, é, 你好, 🎉");
  EXPECT_EQ(printable("a\nb\tc\r"), "a\\nb\\tc\\r");
  EXPECT_EQ(printable("\x1b[31m\x7f"), "\\x1b[31m\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\xc2\\x9b31m");  // C1: CSI in one character
  EXPECT_EQ(printable("a\xe2\x80\xae"
                      "b"),
            "a\\xe2\\x80\\xae"
            "b");  // right-to-left override
}

TEST(Printable, WritesBytesThatAreNotUtf8AsEscapes) {
  EXPECT_EQ(printable("a\xff\xc3"), "a\\xff\\xc3");
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // a surrogate
  EXPECT_EQ(printable("\xf0\x9f"), "\\xf0\\x9f");           // cut short
}

TEST(PrintableLines, KeepsNewlinesAndTabsAlone) {
  EXPECT_EQ(printable_lines("a\n\tb"), "a\n\tb");
  EXPECT_EQ(printable_lines("\x1b]0;title\x07\r\b\x9b\xc2\x9b\x7f\n"),
            "\\x1b]0;title\\x07\\r\\x08\\x9b\\xc2\\x9b\\x7f\n");
  EXPECT_EQ(printable_lines(std::string_view("\0", 1)), "\\x00");
}

TEST(Quoted, EscapesQuotesAndBackslashes) {
  EXPECT_EQ(quoted("a\"b\\"), "\"a\\\"b\\\\\"");
}

TEST(FormatCount, GroupsThousands) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(134515008), "134,515,008");
}

TEST(PrintJson, GivesWellFormedUtf8ForAnyBytes) {
  testing::internal::CaptureStdout();
  print_json({{"text", "a\xff"}});
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "{\n  \"text\": \"a\xef\xbf\xbd\"\n}\n");
}

}  // namespace
}  // namespace oag::cli
