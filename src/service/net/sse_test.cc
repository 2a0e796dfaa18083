#include "service/net/sse.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace oag
