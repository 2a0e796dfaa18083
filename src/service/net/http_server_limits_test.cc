#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "service/net/http_server.h"
#include "service/net/http_test_client.h"

namespace oag {
namespace {

using std::chrono::milliseconds;
using testing::eventually;
using testing::RawClient;
using Exchange = std::shared_ptr<HttpExchange>;

constexpr const char* kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

// Limits that a test reaches in a fraction of a second.
HttpServerOptions quick() {
  HttpServerOptions options;
  options.port = 0;
  options.head_timeout = milliseconds(200);
  options.body_timeout = milliseconds(200);
  options.idle_timeout = milliseconds(300);
  options.write_timeout = milliseconds(300);
  return options;
}

struct OkServer : HttpServer {
  explicit OkServer(HttpServerOptions options)
      : HttpServer(std::move(options),
                   [](HttpRequest, Exchange exchange) { exchange->respond(200, {}, "ok"); }) {
    start();
  }
};

TEST(HttpServerLimits, AHeadThatComesByteByByteIsGivenUp) {
  OkServer server(quick());
  RawClient client(server.port());
  const TimePoint begin = Clock::now();
  std::atomic<bool> ended{false};
  std::thread drip([&] {
    for (const char c : std::string("GET / HTTP/1.1\r\nHost: h\r\nA: ") + std::string(1000, 'x')) {
      if (ended || !client.send(std::string(1, c))) return;
      std::this_thread::sleep_for(milliseconds(10));
    }
  });
  const std::string answer = client.read_to_end();
  const double ms = elapsed_ms(begin);
  ended = true;
  drip.join();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 408 ")) << answer;
  EXPECT_GE(ms, 190);
  EXPECT_EQ(server.counters().timed_out, 1u);
}

// Refuses what has no key.
HttpServerOptions with_a_key() {
  HttpServerOptions options = quick();
  options.check_head = [](const HttpRequest& head) -> std::optional<HttpRefusal> {
    if (head.find_header("Key") != nullptr) return {};
    return HttpRefusal{401, {{"WWW-Authenticate", "Bearer"}}, "no key"};
  };
  return options;
}

TEST(HttpServerLimits, ARequestIsTurnedAwayByItsHeadBeforeItsBodyIsRead) {
  OkServer server(with_a_key());
  for (const std::string length : {"Content-Length: 40000000", "Transfer-Encoding: chunked",
                                   "Content-Length: 40000000\r\nExpect: 100-continue"}) {
    RawClient client(server.port());
    client.send("POST / HTTP/1.1\r\nHost: h\r\n" + length + "\r\n\r\n");  // and nothing of the body
    const std::string answer = client.read_to_end();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 401 ")) << answer;
    EXPECT_NE(answer.find("WWW-Authenticate: Bearer\r\n"), answer.npos) << answer;
    EXPECT_NE(answer.find("Connection: close\r\n"), answer.npos) << answer;
    EXPECT_TRUE(answer.ends_with("\r\n\r\nno key")) << answer;
  }
  EXPECT_EQ(server.counters().requests, 0u);
  EXPECT_EQ(server.counters().turned_away, 3u);
  EXPECT_EQ(server.counters().malformed, 0u);
}

TEST(HttpServerLimits, AClientThatGoesOnSendingReadsWhyItWasTurnedAway) {
  HttpServerOptions options = with_a_key();
  OkServer server(options);
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8000000\r\n\r\n");
  for (int i = 0; i < 80; ++i) client.send(std::string(100'000, 'x'));
  const std::string answer = client.read_to_end();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 401 ")) << answer;
}

TEST(HttpServerLimits, ARequestThatTheCheckLetsPassIsAnswered) {
  OkServer server(with_a_key());
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nKey: k\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_TRUE(client.read_answer().ends_with("ok"));
  client.send(kGet);  // has no body: it is the handler's, and the connection goes on
  EXPECT_TRUE(client.read_answer().ends_with("ok"));
  EXPECT_EQ(server.counters().turned_away, 0u);
}

TEST(HttpServerLimits, ACheckThatThrowsIsA500) {
  HttpServerOptions options = quick();
  options.check_head = [](const HttpRequest&) -> std::optional<HttpRefusal> {
    throw std::runtime_error("no");
  };
  OkServer server(options);
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n");
  EXPECT_TRUE(client.read_to_end().starts_with("HTTP/1.1 500 "));
}

TEST(HttpServerLimits, AClientThatSaysNothingIsClosedWithoutAWord) {
  OkServer server(quick());
  RawClient fresh(server.port());
  EXPECT_EQ(fresh.read_to_end(), "");
  RawClient used(server.port());
  used.send(kGet);
  const std::string all = used.read_to_end();
  EXPECT_TRUE(all.ends_with("\r\n\r\nok")) << all;
  EXPECT_TRUE(eventually([&] { return server.counters().open_connections == 0; }));
}

TEST(HttpServerLimits, ABodyThatStallsOrTricklesIsGivenUp) {
  OkServer server(quick());
  RawClient stalled(server.port());
  stalled.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n123");
  EXPECT_TRUE(stalled.read_to_end().starts_with("HTTP/1.1 408 "));
  RawClient slow(server.port());
  slow.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
  std::atomic<bool> ended{false};
  std::thread drip([&] {
    while (!ended && slow.send("x")) std::this_thread::sleep_for(milliseconds(20));
  });
  EXPECT_TRUE(slow.read_to_end().starts_with("HTTP/1.1 408 "));
  ended = true;
  drip.join();
  EXPECT_EQ(server.counters().timed_out, 2u);
}

TEST(HttpServerLimits, AnAnswerThatTakesLongIsNotTimedOut) {
  std::thread worker;
  HttpServer server(quick(), [&](HttpRequest, Exchange exchange) {
    worker = std::thread([exchange] {
      std::this_thread::sleep_for(milliseconds(700));
      exchange->respond(200, {}, "late");
    });
  });
  server.start();
  RawClient client(server.port());
  EXPECT_TRUE(client.ask(kGet).ends_with("late"));
  worker.join();
}

TEST(HttpServerLimits, ConnectionsBeyondTheLimitAreToldAndClosed) {
  HttpServerOptions options = quick();
  options.idle_timeout = milliseconds(5000);
  options.max_connections = 2;
  OkServer server(options);
  RawClient first(server.port()), second(server.port());
  first.ask(kGet);
  second.ask(kGet);
  RawClient third(server.port());
  third.send(kGet);
  const std::string refused = third.read_to_end();
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 503 ")) << refused;
  EXPECT_NE(refused.find("Retry-After: 1\r\n"), refused.npos);
  EXPECT_TRUE(first.ask(kGet).ends_with("ok"));
  first.close();
  third.close();
  ASSERT_TRUE(eventually([&] { return server.counters().open_connections == 1; }));
  EXPECT_TRUE(RawClient(server.port()).ask(kGet).ends_with("ok"));
  EXPECT_EQ(server.counters().refused, 1u);
}

TEST(HttpServerLimits, BodiesOfAllClientsTogetherAreBounded) {
  HttpServerOptions options = quick();
  options.body_timeout = milliseconds(5000);
  options.max_receiving_bytes = 100'000;
  OkServer server(options);
  const std::string head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 90000\r\n\r\n";
  RawClient first(server.port()), second(server.port());
  first.send(head + std::string(80'000, 'x'));
  ASSERT_TRUE(eventually([&] { return server.counters().received_bytes >= 80'000; }));
  second.send(head + std::string(80'000, 'x'));
  EXPECT_TRUE(second.read_to_end().starts_with("HTTP/1.1 503 "));
  EXPECT_TRUE(first.ask(std::string(10'000, 'x')).ends_with("ok"));
  RawClient third(server.port());
  EXPECT_TRUE(third.ask(head + std::string(90'000, 'x')).ends_with("ok"));
}

// What a client that does not read gets to see: nothing; the writer is told and the connection reset.
void expect_cut(HttpServerOptions options, size_t part_bytes, milliseconds pace) {
  std::atomic<int> gone{0};
  std::atomic<bool> refused{false};
  std::thread writer;
  HttpServer server(options, [&](HttpRequest, Exchange exchange) {
    exchange->on_gone([&] { ++gone; });
    writer = std::thread([&, exchange] {
      exchange->begin(200, {});
      const TimePoint end = Clock::now() + milliseconds(5000);
      while (!refused && Clock::now() < end) {
        if (!exchange->write(std::string(part_bytes, 'x'))) refused = true;
        EXPECT_LE(exchange->unsent_bytes(), options.max_unsent_bytes + part_bytes + 1000);
        std::this_thread::sleep_for(pace);
      }
    });
  });
  server.start();
  RawClient client(server.port(), false, 4096);
  client.send(kGet);
  EXPECT_TRUE(eventually([&] { return refused.load(); }));
  EXPECT_TRUE(eventually([&] { return gone == 1; }));
  EXPECT_TRUE(eventually([&] { return server.counters().open_connections == 0; }));
  writer.join();
  client.read_to_end();
  EXPECT_TRUE(client.was_reset());
  EXPECT_EQ(server.counters().cut, 1u);
}

TEST(HttpServerLimits, AClientThatDoesNotReadIsCutAtTheBound) {
  HttpServerOptions options = quick();
  options.max_unsent_bytes = 1 << 20;
  options.write_timeout = milliseconds(60'000);
  expect_cut(options, 64 << 10, milliseconds(0));
}

TEST(HttpServerLimits, AClientThatDoesNotReadIsCutAfterAWhile) {
  HttpServerOptions options = quick();
  options.max_unsent_bytes = size_t{1} << 30;
  expect_cut(options, 256 << 10, milliseconds(5));
}

TEST(HttpServerLimits, AWholeAnswerMayBeLargerThanTheBoundOfStreams) {
  HttpServerOptions options = quick();
  options.max_unsent_bytes = 1000;
  const std::string large(8 << 20, 'x');
  HttpServer server(options, [&](HttpRequest, Exchange exchange) { exchange->respond(200, {}, large); });
  server.start();
  RawClient client(server.port());
  const std::string answer = client.ask(kGet);
  EXPECT_EQ(answer.size() - answer.find("\r\n\r\n") - 4, large.size());
}

TEST(HttpServerLimits, WithoutFileDescriptorsItWaitsAndGoesOn) {
  // The warning is left out: UBSan, which opens a pipe to look at an object's type, sees bad types in the
  // logger.
  set_log_level(LogLevel::kError);
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  OkServer server(quick());
  RawClient early(server.port());
  early.ask(kGet);
  std::vector<int> taken;
  rlimit low = before;
  low.rlim_cur = 64;
  ::setrlimit(RLIMIT_NOFILE, &low);
  for (int fd = 0; (fd = ::dup(0)) >= 0;) taken.push_back(fd);
  ::close(taken.back());
  taken.pop_back();
  RawClient waiting(server.port());  // takes the last: the kernel connects it, the server cannot accept
  rusage used_before{}, used_after{};
  ::getrusage(RUSAGE_SELF, &used_before);
  waiting.send(kGet);
  std::this_thread::sleep_for(milliseconds(400));
  ::getrusage(RUSAGE_SELF, &used_after);
  const auto cpu_us = [](const rusage& usage) {
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1'000'000 + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
  };
  EXPECT_LT(cpu_us(used_after) - cpu_us(used_before), 100'000) << "the loop spins";
  for (const int fd : taken) ::close(fd);
  ::setrlimit(RLIMIT_NOFILE, &before);
  set_log_level(LogLevel::kWarning);
  EXPECT_TRUE(waiting.read_answer().ends_with("ok"));
}

}  // namespace
}  // namespace oag
