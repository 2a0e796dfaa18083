#include "service/net/http_request_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace oag {
namespace {

using namespace std::string_literals;
using Step = HttpRequestReader::Step;

struct Outcome {
  std::vector<HttpRequest> requests;
  HttpProblem problem;
};

// Feeds `bytes` in pieces of `piece` bytes and reads all there is.
Outcome read_all(std::string_view bytes, size_t piece = 1 << 20, HttpReaderLimits limits = {}) {
  HttpRequestReader reader(limits);
  Outcome outcome;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    reader.feed(bytes.substr(at, piece));
    for (;;) {
      const Step step = reader.advance();
      if (step == Step::kRequest) outcome.requests.push_back(reader.take());
      if (step == Step::kProblem) {
        outcome.problem = reader.problem();
        return outcome;
      }
      if (step == Step::kNeedMore) break;
    }
  }
  return outcome;
}

int status_of(std::string_view bytes, HttpReaderLimits limits = {}) {
  const int whole = read_all(bytes, 1 << 20, limits).problem.status;
  EXPECT_EQ(read_all(bytes, 1, limits).problem.status, whole) << bytes;
  return whole;
}

TEST(HttpRequestReader, SplitsTheTargetAndKeepsHeadersAsSent) {
  const Outcome got =
      read_all("GET /v1/a%20b?x=1&y HTTP/1.1\r\nHost: h\r\nX-Two:  a  b \t\r\nEmpty:\r\n\r\n");
  ASSERT_EQ(got.requests.size(), 1u);
  const HttpRequest& request = got.requests[0];
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.path, "/v1/a%20b");
  EXPECT_EQ(request.query, "x=1&y");
  EXPECT_EQ(*request.find_header("x-two"), "a  b");
  EXPECT_EQ(*request.find_header("EMPTY"), "");
  EXPECT_EQ(request.find_header("Absent"), nullptr);
  EXPECT_TRUE(request.keep_alive);
}

TEST(HttpRequestReader, ReadsTheSameWhateverTheSizeOfThePieces) {
  const std::string bytes =
      "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
      "\r\n"
      "POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      "4;name=value\r\nWiki\r\n05\r\npedia\r\n0\r\nTrailer: ignored\r\n\r\n"
      "OPTIONS * HTTP/1.0\r\n\r\n"
      "GET http://host:80/c?d HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
  for (size_t piece = 1; piece <= bytes.size(); ++piece) {
    const Outcome got = read_all(bytes, piece);
    ASSERT_EQ(got.problem.status, 0) << got.problem.message;
    ASSERT_EQ(got.requests.size(), 4u) << piece;
    EXPECT_EQ(got.requests[0].body, "hello");
    EXPECT_EQ(got.requests[1].body, "Wikipedia");
    EXPECT_EQ(got.requests[1].find_header("Trailer"), nullptr);
    EXPECT_EQ(got.requests[2].path, "*");
    EXPECT_EQ(got.requests[2].minor_version, 0);
    EXPECT_FALSE(got.requests[2].keep_alive);
    EXPECT_EQ(got.requests[3].path, "/c");
    EXPECT_EQ(got.requests[3].query, "d");
    EXPECT_FALSE(got.requests[3].keep_alive);
  }
}

// RFC 9112 and its sections on request smuggling (11.2), message framing (6.3) and field syntax (5).
TEST(HttpRequestReader, RefusesWhatTwoReadersCouldReadDifferently) {
  const std::string post = "POST / HTTP/1.1\r\nHost: h\r\n";
  const std::vector<std::string> bad = {
      post + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
      post + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
      post + "Content-Length: 3, 3\r\n\r\nabc",
      post + "Content-Length: +3\r\n\r\nabc",
      post + "Content-Length: -3\r\n\r\nabc",
      post + "Content-Length: 0x3\r\n\r\nabc",
      post + "Content-Length:\r\n\r\n",
      post + "Content-Length: 99999999999999999999\r\n\r\n",
      post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
      post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "GET / HTTP/1.1\nHost: h\n\n",
      "GET / HTTP/1.1\r\nHost: h\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n",
      "GET / HTTP/1.1\r\n Host: h\r\n\r\n",
      "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\n: nameless\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: h\r\nA: b\0c\r\n\r\n"s,
      "GET / HTTP/1.1\r\nHost: h\r\nA: b\x01\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
      "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET / a HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET \xc3\xa4 HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET a HTTP/1.1\r\nHost: h\r\n\r\n",
      "GET * HTTP/1.1\r\nHost: h\r\n\r\n",
      "\x16\x03\x01\x02",
      post + "Transfer-Encoding: chunked\r\n\r\nx\r\n",
      post + "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
      post + "Transfer-Encoding: chunked\r\n\r\n1\nab\r\n0\r\n\r\n",
      post + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
      post + "Transfer-Encoding: chunked\r\n\r\n1 \x01\r\na\r\n0\r\n\r\n",
      post + "Transfer-Encoding: chunked\r\n\r\n11111111111111111\r\n",
  };
  for (const std::string& bytes : bad) EXPECT_EQ(status_of(bytes), 400) << bytes;
}

TEST(HttpRequestReader, NamesWhatIsNotSupported) {
  const std::string post = "POST / HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(status_of(post + "Transfer-Encoding: gzip, chunked\r\n\r\n"), 501);
  EXPECT_EQ(status_of(post + "Transfer-Encoding: identity\r\n\r\n"), 501);
  EXPECT_EQ(status_of(post + "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\n"), 415);
  EXPECT_EQ(status_of(post + "Expect: miracles\r\n\r\n"), 417);
  EXPECT_EQ(status_of("CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n"), 501);
  EXPECT_EQ(status_of("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
  EXPECT_EQ(status_of("GET / HTTP/1.2\r\nHost: h\r\n\r\n"), 505);
  EXPECT_EQ(read_all(post + "Content-Encoding: identity\r\nContent-Length: 1\r\n\r\nx").requests.size(), 1u);
}

TEST(HttpRequestReader, HoldsItsLimits) {
  HttpReaderLimits limits;
  limits.max_head_bytes = 300;
  limits.max_target_bytes = 100;
  limits.max_headers = 4;
  limits.max_body_bytes = 10;
  const std::string post = "POST / HTTP/1.1\r\nHost: h\r\n";
  EXPECT_EQ(status_of("GET /" + std::string(99, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n", limits), 0);
  EXPECT_EQ(status_of("GET /" + std::string(100, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n", limits), 414);
  EXPECT_EQ(status_of("GET /" + std::string(400, 'a'), limits), 414);
  EXPECT_EQ(status_of(post + "A: " + std::string(400, 'a'), limits), 431);
  EXPECT_EQ(status_of(post + "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", limits), 0);
  EXPECT_EQ(status_of(post + "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n", limits), 431);
  EXPECT_EQ(status_of(post + "Content-Length: 10\r\n\r\n0123456789", limits), 0);
  EXPECT_EQ(status_of(post + "Content-Length: 11\r\n\r\n", limits), 413);
  EXPECT_EQ(
      status_of(post + "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n5\r\nabcde\r\n0\r\n\r\n", limits), 0);
  EXPECT_EQ(status_of(post + "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n6\r\n", limits), 413);
  EXPECT_EQ(status_of(post + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", limits), 413);
  EXPECT_EQ(status_of(post + "Transfer-Encoding: chunked\r\n\r\n1;" + std::string(400, 'a'), limits), 400);
  EXPECT_EQ(status_of(post + "Transfer-Encoding: chunked\r\n\r\n0\r\nA: " + std::string(400, 'a'), limits),
            400);
  std::string empty_lines;
  for (int i = 0; i < 20; ++i) empty_lines += "\r\n";
  EXPECT_EQ(status_of(empty_lines, limits), 400);
}

TEST(HttpRequestReader, SaysWhenTheClientWaitsToContinue) {
  HttpRequestReader reader{HttpReaderLimits()};
  EXPECT_TRUE(reader.idle());
  reader.feed("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_FALSE(reader.idle());
  EXPECT_EQ(reader.advance(), Step::kHead);
  EXPECT_TRUE(reader.awaits_continue());
  EXPECT_EQ(reader.advance(), Step::kNeedMore);
  reader.feed("ok");
  EXPECT_EQ(reader.advance(), Step::kRequest);
  EXPECT_EQ(reader.take().body, "ok");
  EXPECT_TRUE(reader.idle());
}

}  // namespace
}  // namespace oag
