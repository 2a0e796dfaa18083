#include "service/net/sse.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"

namespace oag {
namespace {

// Expected texts: WHATWG HTML, 9.2.6 "Interpreting an event stream".
TEST(Sse, WritesOneDataLineForEachLine) {
  EXPECT_EQ(sse_event("{\"a\":1}"), "data: {\"a\":1}\n\n");
  EXPECT_EQ(sse_event("a\nb\r\nc\rd"), "data: a\ndata: b\ndata: c\ndata: d\n\n");
  EXPECT_EQ(sse_event("a\n"), "data: a\ndata: \n\n");
  EXPECT_EQ(sse_event(""), "data: \n\n");
  EXPECT_EQ(sse_event("x", "delta", "7"), "event: delta\nid: 7\ndata: x\n\n");
}

TEST(Sse, AnEventsNameCannotStartAnotherField) {
  EXPECT_EQ(sse_event("x", "a\ndata: evil"), "event: a data: evil\ndata: x\n\n");
}

TEST(Sse, CommentsStayComments) {
  EXPECT_EQ(sse_comment("waiting"), ": waiting\n\n");
  EXPECT_EQ(sse_comment("a\ndata: b"), ": a\n: data: b\n\n");
}

std::vector<std::string> read_events(std::string_view text, size_t piece_bytes) {
  std::vector<std::string> events;
  SseReader reader([&](const std::string& data) { events.push_back(data); });
  for (size_t at = 0; at < text.size(); at += piece_bytes) reader.feed(text.substr(at, piece_bytes));
  return events;
}

// The example streams of WHATWG HTML, 9.2.6, and what they say each of them fires.
TEST(SseReader, ReadsTheStandardsExamplesHoweverTheyAreCut) {
  using Events = std::vector<std::string>;
  for (const size_t piece : {1, 2, 3, 1000}) {
    EXPECT_EQ(read_events("data: YHOO\ndata: +2\ndata: 10\n\n", piece), Events{"YHOO\n+2\n10"});
    EXPECT_EQ(read_events(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\n"
                          "data:  third event\n",
                          piece),
              (Events{"first event", "second event"}));
    EXPECT_EQ(read_events("data\n\ndata\ndata\n\ndata:", piece), (Events{"", "\n"}));
    EXPECT_EQ(read_events("data:test\n\ndata: test\n\n", piece), (Events{"test", "test"}));
  }
}

TEST(SseReader, TakesEveryLineEndAndAByteOrderMark) {
  for (const size_t piece : {1, 2, 1000}) {
    EXPECT_EQ(read_events("\xEF\xBB\xBF"
                          "data: a\r\rdata: b\r\n\r\ndata: c\n\r\n",
                          piece),
              (std::vector<std::string>{"a", "b", "c"}));
  }
}

TEST(SseReader, ReadsBackWhatIsWritten) {
  const std::string text = sse_comment("waiting") + sse_event("{\"a\": 1}") + sse_event("a\nb", "delta", "7");
  EXPECT_EQ(read_events(text, 5), (std::vector<std::string>{"{\"a\": 1}", "a\nb"}));
}

TEST(SseReader, RefusesALineWithoutEnd) {
  SseReader reader([](const std::string&) {});
  const std::string much(size_t{1} << 20, 'x');
  EXPECT_THROW(
      {
        for (int i = 0; i < 20; ++i) reader.feed(much);
      },
      Error);
}

}  // namespace
}  // namespace oag
