// What happens when clients leave: in every phase of a request, and in crowds.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "service/net/http_server.h"
#include "service/net/http_test_client.h"

namespace oag {
namespace {

using std::chrono::milliseconds;
using testing::eventually;
using testing::RawClient;
using Exchange = std::shared_ptr<HttpExchange>;

constexpr const char* kGet = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
// Far above what it takes (well below 10 ms), far below any timeout: the machine may be busy.
constexpr double kSoonMs = 1'000;

HttpServerOptions free_port() {
  HttpServerOptions options;
  options.port = 0;
  return options;
}

// A server that keeps each exchange for the test to answer.
class HoldingServer {
 public:
  explicit HoldingServer(HttpServerOptions options = free_port())
      : server_(options, [this](HttpRequest, Exchange exchange) {
          exchange->on_gone([this] {
            const std::lock_guard lock(mutex_);
            gone_at_ = Clock::now();
            ++gone_;
            changed_.notify_all();
          });
          const std::lock_guard lock(mutex_);
          held_.push_back(std::move(exchange));
          changed_.notify_all();
        }) {
    server_.start();
  }

  Exchange next() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::seconds(10), [&] { return !held_.empty(); })) return nullptr;
    Exchange exchange = std::move(held_.front());
    held_.erase(held_.begin());
    return exchange;
  }

  // Milliseconds from `left` until on_gone was called; negative if it was not.
  double ms_until_gone(TimePoint left) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::seconds(10), [&] { return gone_ > 0; })) return -1;
    return elapsed_ms(left, gone_at_);
  }

  int gone() {
    const std::lock_guard lock(mutex_);
    return gone_;
  }

  HttpServer& server() { return server_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Exchange> held_;
  int gone_ = 0;
  TimePoint gone_at_;
  HttpServer server_;
};

enum class Leave { kFin, kReset };
enum class Moment { kUnanswered, kBegun, kBetweenParts };

class HttpServerGone : public ::testing::TestWithParam<std::tuple<Leave, Moment>> {};

TEST_P(HttpServerGone, IsToldAtOnce) {
  const auto [leave, moment] = GetParam();
  HoldingServer holding;
  RawClient client(holding.server().port());
  client.send(kGet);
  const Exchange exchange = holding.next();
  ASSERT_TRUE(exchange);
  EXPECT_FALSE(exchange->gone());
  if (moment != Moment::kUnanswered) {
    exchange->begin(200, {});
    client.read_until("\r\n\r\n");
  }
  if (moment == Moment::kBetweenParts) {
    EXPECT_TRUE(exchange->write("token"));
    client.read_until("token\r\n");
  }
  const TimePoint left = Clock::now();
  leave == Leave::kFin ? client.close() : client.reset();
  const double ms = holding.ms_until_gone(left);
  EXPECT_GE(ms, 0);
  EXPECT_LT(ms, kSoonMs);
  EXPECT_TRUE(exchange->gone());
  EXPECT_FALSE(exchange->write("late"));
  exchange->respond(200, {}, "late");
  exchange->finish();
  EXPECT_TRUE(eventually([&] { return holding.server().counters().open_connections == 0; }));
  EXPECT_EQ(holding.gone(), 1);
  EXPECT_EQ(holding.server().counters().gone, 1u);
}

INSTANTIATE_TEST_SUITE_P(All, HttpServerGone,
                         ::testing::Combine(::testing::Values(Leave::kFin, Leave::kReset),
                                            ::testing::Values(Moment::kUnanswered, Moment::kBegun,
                                                              Moment::kBetweenParts)));

TEST(HttpServerLeaving, IsSeenBehindPipelinedBytes) {
  HoldingServer holding;
  RawClient client(holding.server().port());
  client.send(kGet);
  const Exchange exchange = holding.next();
  client.send(std::string(100'000, 'x'));  // more than is kept while the first request is answered
  std::this_thread::sleep_for(milliseconds(50));
  const TimePoint left = Clock::now();
  client.half_close();
  const double ms = holding.ms_until_gone(left);
  EXPECT_GE(ms, 0);
  EXPECT_LT(ms, kSoonMs);
}

TEST(HttpServerLeaving, IsNotToldAfterTheAnswerHasEnded) {
  HoldingServer holding;
  {
    RawClient client(holding.server().port());
    client.send(kGet);
    holding.next()->respond(200, {}, "ok");
    EXPECT_TRUE(client.read_answer().ends_with("ok"));
  }
  EXPECT_TRUE(eventually([&] { return holding.server().counters().open_connections == 0; }));
  EXPECT_EQ(holding.gone(), 0);
}

TEST(HttpServerLeaving, ACallbackThatComesLateIsCalledAtOnce) {
  HoldingServer holding;
  RawClient client(holding.server().port());
  client.send(kGet);
  const Exchange exchange = holding.next();
  client.close();
  ASSERT_TRUE(eventually([&] { return exchange->gone(); }));
  int called = 0;
  exchange->on_gone([&] { ++called; });
  EXPECT_EQ(called, 1);
}

TEST(HttpServerLeaving, AHalfClosedClientCountsAsGoneButGetsAWholeAnswer) {
  HoldingServer holding;
  RawClient client(holding.server().port());
  client.send(kGet);
  client.half_close();
  const Exchange exchange = holding.next();
  ASSERT_TRUE(eventually([&] { return exchange->gone(); }));
  exchange->respond(200, {}, "still here");
  EXPECT_TRUE(client.read_to_end().ends_with("\r\n\r\nstill here"));
}

TEST(HttpServerLeaving, AHalfClosedClientsStreamEndsBroken) {
  HoldingServer holding;
  RawClient client(holding.server().port());
  client.send(kGet);
  const Exchange exchange = holding.next();
  exchange->begin(200, {});
  exchange->write("part");
  client.read_until("part\r\n");
  client.half_close();
  ASSERT_TRUE(eventually([&] { return exchange->gone(); }));
  EXPECT_FALSE(exchange->write("late"));
  exchange->finish();
  EXPECT_EQ(client.read_to_end(), "") << "parts were refused, so there is no last chunk";
}

TEST(HttpServerLeaving, AbortSendsWhatWasQueuedAndNoEnd) {
  HoldingServer holding;
  RawClient client(holding.server().port());
  client.send(kGet);
  const Exchange exchange = holding.next();
  exchange->begin(200, {});
  exchange->write("part");
  exchange->abort();
  EXPECT_TRUE(client.read_to_end().ends_with("\r\n\r\n4\r\npart\r\n"));
}

TEST(HttpServerHeartbeat, IsSentInSilenceOnly) {
  HoldingServer holding;
  RawClient client(holding.server().port());
  client.send(kGet);
  const Exchange exchange = holding.next();
  exchange->heartbeat(milliseconds(100), ": wait\n\n");
  const TimePoint begin = Clock::now();
  exchange->begin(200, {});
  client.read_until("\r\n\r\n");
  const std::string beat = "8\r\n: wait\n\n\r\n";
  EXPECT_EQ(client.read_exactly(beat.size() * 3), beat + beat + beat);
  EXPECT_GE(elapsed_ms(begin), 290);
  std::string expected;
  for (int i = 0; i < 20; ++i) {
    exchange->write("token");
    expected += "5\r\ntoken\r\n";
    std::this_thread::sleep_for(milliseconds(5));
  }
  exchange->heartbeat(milliseconds(0), "");
  std::this_thread::sleep_for(milliseconds(150));
  exchange->finish();
  EXPECT_EQ(client.read_until("0\r\n\r\n"), expected + "0\r\n\r\n");
}

TEST(HttpServerCrowd, StreamsOfClientsThatLeaveAtAnyTimeLeaveNothingBehind) {
  // One thread writes all streams, as a scheduler does; 200 clients read a little or nothing and leave.
  std::mutex mutex;
  std::vector<Exchange> streams;
  std::atomic<int> begun{0}, told{0}, finished{0};
  std::atomic<bool> stop{false};
  HttpServerOptions options = free_port();
  options.threads = 2;
  HttpServer server(options, [&](HttpRequest request, Exchange exchange) {
    exchange->on_gone([&] { ++told; });
    if (request.path != "/unanswered") exchange->begin(200, {});
    ++begun;
    const std::lock_guard lock(mutex);
    streams.push_back(std::move(exchange));
  });
  server.start();
  std::thread scheduler([&] {
    while (!stop) {
      {
        const std::lock_guard lock(mutex);
        for (size_t i = 0; i < streams.size();) {
          if (streams[i]->gone()) {
            streams.erase(streams.begin() + static_cast<std::ptrdiff_t>(i));
            ++finished;
          } else {
            streams[i++]->write("token");
          }
        }
      }
      std::this_thread::sleep_for(milliseconds(1));
    }
  });
  constexpr int kClients = 200, kThreads = 4;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      std::vector<std::unique_ptr<RawClient>> open;
      for (int i = 0; i < kClients / kThreads; ++i) {
        open.push_back(std::make_unique<RawClient>(server.port()));
        open.back()->send(random() % 4 == 0 ? "GET /unanswered HTTP/1.1\r\nHost: h\r\n\r\n" : kGet);
      }
      while (!open.empty()) {
        const size_t pick = random() % open.size();
        if (random() % 3 == 0) open[pick]->send("GET /pipelined HTTP/1.1\r\n");
        random() % 2 == 0 ? open[pick]->close() : open[pick]->reset();
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(pick));
        std::this_thread::sleep_for(milliseconds(1));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(eventually([&] { return server.counters().open_connections == 0; }));
  EXPECT_TRUE(eventually([&] { return finished == begun; }));
  stop = true;
  scheduler.join();
  EXPECT_EQ(told, begun);
  EXPECT_GT(begun, 0);
  EXPECT_TRUE(server.wait_idle(Clock::now() + milliseconds(5000)));
}

}  // namespace
}  // namespace oag
