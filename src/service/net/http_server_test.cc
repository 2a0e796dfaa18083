#include "service/net/http_server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <regex>
#include <set>
#include <stdexcept>
#include <thread>

#include "base/error.h"
#include "base/json.h"
#include "service/net/http_test_client.h"

namespace oag {
namespace {

using std::chrono::milliseconds;
using testing::eventually;
using testing::RawClient;
using Exchange = std::shared_ptr<HttpExchange>;

HttpServerOptions free_port() {
  HttpServerOptions options;
  options.port = 0;
  return options;
}

// Answers with what it was asked.
void echo(const HttpRequest& request, const Exchange& exchange) {
  exchange->respond(200, {{"Content-Type", "text/plain"}},
                    request.method + " " + request.path + "?" + request.query + " " + request.body);
}

struct EchoServer : HttpServer {
  explicit EchoServer(HttpServerOptions options = free_port())
      : HttpServer(std::move(options),
                   [](HttpRequest request, Exchange exchange) { echo(request, exchange); }) {
    start();
  }
};

std::string get(const std::string& target, const std::string& headers = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n";
}

std::string body_of(const std::string& answer) {
  const size_t at = answer.find("\r\n\r\n");
  return at == answer.npos ? "" : answer.substr(at + 4);
}

TEST(HttpServer, AnswersRequestsOfOneConnectionOneAfterTheOther) {
  EchoServer server;
  RawClient client(server.port());
  const std::string first = client.ask(get("/a?b=c"));
  EXPECT_TRUE(first.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n")) << first;
  EXPECT_TRUE(std::regex_search(
      first, std::regex("Date: [A-Z][a-z]{2}, \\d\\d [A-Z][a-z]{2} \\d{4} \\d\\d:\\d\\d:\\d\\d GMT\r\n")));
  EXPECT_EQ(first.find("Connection:"), first.npos);
  EXPECT_EQ(body_of(first), "GET /a?b=c ");
  EXPECT_EQ(body_of(client.ask("POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody")),
            "POST /p? body");
  EXPECT_EQ(body_of(client.ask("PUT /p HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")),
            "PUT /p? abcde");
  const HttpServerCounters counters = server.counters();
  EXPECT_EQ(counters.requests, 3u);
  EXPECT_EQ(counters.accepted, 1u);
  EXPECT_EQ(counters.open_connections, 1u);
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  // Each answer comes from another thread, the earlier ones later.
  std::vector<std::thread> threads;
  HttpServer server(free_port(), [&](HttpRequest request, Exchange exchange) {
    const int place = std::stoi(request.path.substr(1));
    threads.emplace_back([request, exchange, place] {
      std::this_thread::sleep_for(milliseconds(20 - 2 * place));
      echo(request, exchange);
    });
  });
  server.start();
  RawClient client(server.port());
  std::string all;
  for (int i = 0; i < 10; ++i) all += get("/" + std::to_string(i));
  client.send(all);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(body_of(client.read_answer()), "GET /" + std::to_string(i) + "? ");
  server.stop();
  for (std::thread& thread : threads) thread.join();
}

TEST(HttpServer, KeepsManyPipelinedRequestsWithinBounds) {
  EchoServer server;
  RawClient client(server.port());
  std::string all;
  for (int i = 0; i < 20000; ++i) all += get("/x");
  std::thread writer([&] { client.send(all); });
  size_t answered = 0;
  while (answered < 20000 && body_of(client.read_answer()) == "GET /x? ") ++answered;
  writer.join();
  EXPECT_EQ(answered, 20000u);
}

TEST(HttpServer, HeadGetsTheHeadersAlone) {
  EchoServer server;
  RawClient client(server.port());
  client.send("HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n");
  const std::string head = client.read_until("\r\n\r\n");
  EXPECT_NE(head.find("Content-Length: 9\r\n"), head.npos) << head;
  EXPECT_EQ(body_of(client.ask(get("/b"))), "GET /b? ") << "a body followed the answer to HEAD";
}

TEST(HttpServer, ClosesWhenAskedAndAfterHttp10) {
  EchoServer server;
  RawClient closing(server.port());
  closing.send(get("/a", "Connection: close\r\n"));
  EXPECT_NE(closing.read_to_end().find("Connection: close\r\n"), std::string::npos);
  RawClient old(server.port());
  old.send("GET /a HTTP/1.0\r\n\r\n");
  EXPECT_EQ(body_of(old.read_to_end()), "GET /a? ");
  RawClient kept(server.port());
  const std::string answer = kept.ask("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_NE(answer.find("Connection: keep-alive\r\n"), answer.npos);
  EXPECT_EQ(body_of(kept.ask(get("/b"))), "GET /b? ");
}

TEST(HttpServer, SaysContinueBeforeTheBodyComes) {
  EchoServer server;
  RawClient client(server.port());
  client.send("POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(body_of(client.ask("ok")), "POST /a? ok");
  // Who has sent the body already is not told.
  EXPECT_TRUE(client.ask("POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok")
                  .starts_with("HTTP/1.1 200"));
}

TEST(HttpServer, ProtocolErrorsAreAnsweredInTheErrorObjectAndEndTheConnection) {
  EchoServer server;
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n" +
              get("/smuggled"));
  const std::string answer = client.read_to_end();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << answer;
  EXPECT_NE(answer.find("Connection: close\r\n"), answer.npos);
  EXPECT_FALSE(client.was_reset());
  const Json error = Json::parse(body_of(answer)).at("error");
  EXPECT_EQ(error.at("type"), "invalid_request_error");
  EXPECT_EQ(error.at("code"), "bad_request");
  EXPECT_TRUE(error.at("param").is_null());
  EXPECT_FALSE(error.at("message").get<std::string>().empty());
  EXPECT_EQ(server.counters().requests, 0u);
  EXPECT_EQ(server.counters().malformed, 1u);
}

TEST(HttpServer, AClientThatStillSendsReadsWhyItWasRefused) {
  HttpServerOptions options = free_port();
  options.max_body_bytes = 1000;
  EchoServer server(options);
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n");
  client.send(std::string(3'000'000, 'x'));
  const std::string answer = client.read_to_end();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 413 ")) << answer.substr(0, 100);
  EXPECT_FALSE(client.was_reset());
}

TEST(HttpServer, AFailingHandlerGivesA500AndTheServerGoesOn) {
  HttpServer server(free_port(), [](HttpRequest request, Exchange exchange) {
    if (request.path == "/throw") throw std::runtime_error("secret detail");
    if (request.path == "/throw-int") throw 7;
    if (request.path == "/late") {
      exchange->begin(200, {});
      exchange->write("part");
      throw std::runtime_error("after the head");
    }
    if (request.path != "/drop") echo(request, exchange);
  });
  server.start();
  for (const char* path : {"/throw", "/throw-int", "/drop"}) {
    RawClient client(server.port());
    client.send(get(path));
    const std::string answer = client.read_to_end();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 500 ")) << path << answer;
    EXPECT_EQ(answer.find("secret"), answer.npos);
    EXPECT_EQ(Json::parse(body_of(answer)).at("error").at("type"), "server_error");
  }
  RawClient client(server.port());
  client.send(get("/late"));
  const std::string cut = client.read_to_end();
  EXPECT_TRUE(cut.ends_with("4\r\npart\r\n")) << cut << " must lack the last chunk";
  EXPECT_EQ(body_of(RawClient(server.port()).ask(get("/ok"))), "GET /ok? ");
}

TEST(HttpServer, ADroppedStreamLacksItsLastChunk) {
  HttpServer server(free_port(), [](HttpRequest, Exchange exchange) {
    exchange->begin(200, {});
    exchange->write("part");
  });
  server.start();
  RawClient client(server.port());
  client.send(get("/"));
  EXPECT_TRUE(client.read_to_end().ends_with("4\r\npart\r\n"));
  RawClient old(server.port());
  old.send("GET / HTTP/1.0\r\n\r\n");
  old.read_to_end();
  EXPECT_TRUE(old.was_reset()) << "an HTTP/1.0 client cannot tell otherwise";
}

TEST(HttpServer, StreamsInChunksOrUntilTheEnd) {
  HttpServer server(free_port(), [](HttpRequest, Exchange exchange) {
    exchange->begin(200, {{"Content-Type", "text/event-stream"}});
    EXPECT_TRUE(exchange->write("data: a\n\n"));
    EXPECT_TRUE(exchange->write(""));
    EXPECT_TRUE(exchange->write(std::string(300, 'b')));
    exchange->finish();
    EXPECT_FALSE(exchange->write("late"));
    exchange->respond(500, {}, "late");
  });
  server.start();
  RawClient client(server.port());
  client.send(get("/"));
  const std::string head = client.read_until("\r\n\r\n");
  EXPECT_NE(head.find("Transfer-Encoding: chunked\r\n"), head.npos);
  EXPECT_EQ(head.find("Content-Length"), head.npos);
  EXPECT_EQ(client.read_until("\r\n0\r\n\r\n"),
            "9\r\ndata: a\n\n\r\n12c\r\n" + std::string(300, 'b') + "\r\n0\r\n\r\n");
  client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" + get("/"));
  EXPECT_TRUE(client.read_until("\r\n\r\n").ends_with("\r\n\r\n"));
  EXPECT_TRUE(client.read_until("\r\n\r\n").starts_with("HTTP/1.1 200")) << "the answer to HEAD had a body";
  RawClient old(server.port());
  old.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const std::string all = old.read_to_end();
  EXPECT_EQ(all.find("Transfer-Encoding"), all.npos);
  EXPECT_EQ(body_of(all), "data: a\n\n" + std::string(300, 'b'));
}

TEST(HttpServer, PartsFromAnotherThreadKeepTheirOrder) {
  std::thread writer;
  HttpServer server(free_port(), [&](HttpRequest, Exchange exchange) {
    writer = std::thread([exchange] {
      exchange->begin(200, {});
      for (int i = 0; i < 20000; ++i) exchange->write(std::to_string(i) + ",");
      exchange->finish();
    });
  });
  server.start();
  RawClient client(server.port());
  client.send(get("/"));
  client.read_until("\r\n\r\n");
  std::string expected, got;
  for (int i = 0; i < 20000; ++i) expected += std::to_string(i) + ",";
  for (;;) {
    const size_t size = std::strtoul(client.read_until("\r\n").c_str(), nullptr, 16);
    if (size == 0) break;
    got += client.read_exactly(size);
    client.read_exactly(2);
  }
  writer.join();
  EXPECT_EQ(got, expected);
}

TEST(HttpServer, HeadersFromOutsideCannotSplitTheAnswer) {
  HttpServer server(free_port(), [](HttpRequest, Exchange exchange) {
    exchange->respond(200, {{"X-Id", "a\r\nSet-Cookie: evil"}, {"Content-Length", "9999"}}, "ok");
  });
  server.start();
  RawClient client(server.port());
  const std::string answer = client.ask(get("/"));
  EXPECT_NE(answer.find("X-Id: a  Set-Cookie: evil\r\n"), answer.npos) << answer;
  EXPECT_EQ(answer.find("9999"), answer.npos);
  EXPECT_EQ(body_of(answer), "ok");
}

TEST(HttpServer, HandlesRequestsOnSeveralLoops) {
  HttpServerOptions options = free_port();
  options.threads = 3;
  std::mutex mutex;
  std::set<std::thread::id> threads;
  HttpServer server(options, [&](HttpRequest request, Exchange exchange) {
    {
      const std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
    }
    echo(request, exchange);
  });
  server.start();
  for (int i = 0; i < 6; ++i) EXPECT_EQ(body_of(RawClient(server.port()).ask(get("/a"))), "GET /a? ");
  EXPECT_EQ(threads.size(), 3u);
}

std::string error_of(HttpServerOptions options) {
  try {
    HttpServer server(std::move(options), [](HttpRequest, Exchange) {});
    server.start();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(HttpServer, SaysInOneLineWhyItCannotListen) {
  EchoServer server;
  HttpServerOptions options;
  options.port = server.port();
  EXPECT_EQ(error_of(options), "127.0.0.1:" + std::to_string(server.port()) +
                                   ": cannot listen: the address is in use; choose another port");
  options.port = 0;
  options.host = "192.0.2.1";  // TEST-NET-1, which no machine has
  EXPECT_EQ(error_of(options), "192.0.2.1:0: cannot listen: the address is not one of this machine");
  options.host = "no such host";
  EXPECT_TRUE(error_of(options).starts_with("no such host:0: unknown host: ")) << error_of(options);
  options.host = "127.0.0.1";
  options.threads = 0;
  EXPECT_EQ(error_of(options), "threads: out of range: expected 1 to 64");
}

TEST(HttpServer, ListensOnIpv6AndOnAllInterfaces) {
  HttpServerOptions options = free_port();
  for (const char* host : {"[::1]", "::1"}) {
    options.host = host;
    const HttpServer server(options, [](HttpRequest, Exchange) {});
    EXPECT_EQ(server.address(), "[::1]:" + std::to_string(server.port()));
  }
  options.host = "*";
  HttpServer both(options,
                  [](HttpRequest request, Exchange exchange) { exchange->respond(200, {}, request.peer); });
  both.start();
  EXPECT_EQ(body_of(RawClient(both.port()).ask(get("/"))), "127.0.0.1");
  options.host = "localhost";
  EchoServer local(options);
  EXPECT_EQ(body_of(RawClient(local.port()).ask(get("/"))), "GET /? ");
}

TEST(HttpServer, BindsAtOnceAgainAfterAStop) {
  HttpServerOptions options = free_port();
  auto server = std::make_unique<EchoServer>(options);
  options.port = server->port();
  RawClient client(server->port());
  client.ask(get("/"));
  server.reset();
  EchoServer again(options);
  EXPECT_EQ(body_of(RawClient(again.port()).ask(get("/"))), "GET /? ");
}

TEST(HttpServer, DoesNotListenBeforeItIsStarted) {
  HttpServer server(free_port(), [](HttpRequest request, Exchange exchange) { echo(request, exchange); });
  EXPECT_NE(server.port(), 0);
  EXPECT_FALSE(RawClient(server.port()).connected());
  server.start();
  EXPECT_EQ(body_of(RawClient(server.port()).ask(get("/"))), "GET /? ");
}

TEST(HttpServer, DrainsWhatIsBeingAnsweredAndSaysSo) {
  Exchange held;
  std::atomic<bool> has_it{false};
  HttpServer server(free_port(), [&](HttpRequest request, Exchange exchange) {
    if (request.path != "/hold") return echo(request, exchange);
    held = exchange;
    has_it = true;
  });
  server.start();
  RawClient idle(server.port()), busy(server.port());
  idle.ask(get("/"));
  busy.send(get("/hold"));
  ASSERT_TRUE(eventually([&] { return has_it.load(); }));
  server.drain();
  EXPECT_EQ(idle.read_to_end(), "") << "an idle connection is closed";
  EXPECT_FALSE(server.wait_idle(Clock::now() + milliseconds(20)));
  const std::string late = RawClient(server.port()).ask(get("/"));
  EXPECT_NE(late.find("Connection: close\r\n"), late.npos) << "who comes now is answered, and no more";
  held->respond(200, {}, "done");
  const std::string answer = busy.read_to_end();
  EXPECT_NE(answer.find("Connection: close\r\n"), answer.npos);
  EXPECT_EQ(body_of(answer), "done");
  EXPECT_TRUE(server.wait_idle(Clock::now() + milliseconds(5000)));
}

TEST(HttpServer, RecordsWhatBecameOfEachRequest) {
  std::mutex mutex;
  std::vector<std::string> records;
  HttpServerOptions options = free_port();
  options.check_head = [](const HttpRequest& head) {
    return head.path == "/no" ? std::optional(HttpRefusal{401, {}, "no", "error=key"}) : std::nullopt;
  };
  options.on_end = [&](const HttpRecord& record) {
    const std::lock_guard lock(mutex);
    EXPECT_EQ(record.peer, "127.0.0.1");
    EXPECT_GE(record.milliseconds, 0);
    records.push_back(record.method + " " + record.path + " " + std::to_string(record.status) + " " +
                      (record.whole ? "whole" : "cut") + " " + record.note);
  };
  std::atomic<int> begun{0};
  HttpServer server(std::move(options), [&](HttpRequest request, Exchange exchange) {
    exchange->note("a=1");
    if (request.path != "/stream") return echo(request, exchange);
    exchange->note("b=2");
    exchange->begin(200, {});
    ++begun;
    exchange->on_gone([exchange] { exchange->note("left"); });
  });
  server.start();
  RawClient client(server.port());
  client.ask(get("/a?secret=1"));
  client.ask("POST /no HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n");
  RawClient(server.port()).ask("nonsense\r\n\r\n");
  {
    RawClient leaves(server.port());
    leaves.send(get("/stream"));
    ASSERT_TRUE(eventually([&] { return begun == 1; }));
  }
  const std::vector<std::string> expected = {"GET /a 200 whole a=1", "POST /no 401 whole error=key",
                                             "  400 whole error=bad_request",
                                             "GET /stream 200 cut a=1 b=2 left"};
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return records.size() == expected.size();
  }));
  server.stop();
  EXPECT_EQ(records, expected);
}

TEST(HttpServer, StopEndsEveryConnectionAndExchangesOutliveIt) {
  Exchange held;
  std::atomic<bool> has_it{false};
  std::atomic<int> gone{0};
  {
    HttpServer server(free_port(), [&](HttpRequest, Exchange exchange) {
      exchange->on_gone([&] { ++gone; });
      exchange->begin(200, {});
      held = exchange;
      has_it = true;
    });
    server.start();
    RawClient client(server.port());
    client.send(get("/"));
    ASSERT_TRUE(eventually([&] { return has_it.load(); }));
    server.stop();
    EXPECT_EQ(gone, 1);
  }
  EXPECT_TRUE(held->gone());
  EXPECT_FALSE(held->write("late"));
  held->finish();
  held.reset();
}

}  // namespace
}  // namespace oag
