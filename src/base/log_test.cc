#include "base/log.h"

#include <gtest/gtest.h>

#include <string>

namespace oag {
namespace {

class LogTest : public testing::Test {
 protected:
  ~LogTest() override { set_log_level(LogLevel::kWarning); }
};

TEST_F(LogTest, MessagesBelowTheLevelAreDropped) {
  set_log_level(LogLevel::kWarning);
  EXPECT_FALSE(log_enabled(LogLevel::kInfo));
  EXPECT_TRUE(log_enabled(LogLevel::kWarning));
  testing::internal::CaptureStderr();
  log(LogLevel::kInfo, "quiet {}", 1);
  log(LogLevel::kWarning, "loud {}", 2);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "oag: warning: loud 2\n");
}

TEST_F(LogTest, OffSilencesErrorsToo) {
  set_log_level(LogLevel::kOff);
  EXPECT_FALSE(log_enabled(LogLevel::kError));
  testing::internal::CaptureStderr();
  log(LogLevel::kError, "lost");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

// Braces in outside text that is logged whole must not be read as a format.
TEST_F(LogTest, ReadyMadeMessagesAreNotFormattedAgain) {
  set_log_level(LogLevel::kDebug);
  testing::internal::CaptureStderr();
  log_message(LogLevel::kDebug, "a {} b {0} %s");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "oag: debug: a {} b {0} %s\n");
}

TEST_F(LogTest, WhatComesFromOutsideStaysOnItsLine) {
  testing::internal::CaptureStderr();
  log(LogLevel::kWarning, "{}: failed", "x\nINJECT\r\x1b[2J\x7f é");
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "oag: warning: x\\x0aINJECT\\x0d\\x1b[2J\\x7f é: failed\n");
  testing::internal::CaptureStderr();
  log(LogLevel::kWarning, "{}", "\u009b2J \u2028 \u202e \u2067 \u2014 \u00a0 \xc2");
  EXPECT_EQ(
      testing::internal::GetCapturedStderr(),
      "oag: warning: \\xc2\\x9b2J \\xe2\\x80\\xa8 \\xe2\\x80\\xae \\xe2\\x81\\xa7 \u2014 \u00a0 \xc2\n");
}

}  // namespace
}  // namespace oag
