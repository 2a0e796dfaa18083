#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "service/net/http_request.h"

namespace oag {

// An answer to a request of which only the head was read; the connection closes after it.
struct HttpRefusal {
  int status = 0;
  HttpHeaders headers;
  std::string body;
  std::string note = {};  // for the request's record
};

// What became of one request, for a log.
struct HttpRecord {
  std::string peer, method, path;  // method and path are empty where no head could be read
  int status = 0;                  // 0: the client left before there was one
  bool whole = true;               // the answer was sent to its end
  double milliseconds = 0;         // from the request's arrival to there
  std::string note;                // what its handler said of it
};

struct HttpServerOptions {
  std::string host = "127.0.0.1";  // a name or an address, brackets allowed; "" and "*" are all interfaces
  uint16_t port = 8000;            // 0: a free one
  std::string tls_certificate;     // PEM file with the certificate and its chain; empty: plain HTTP
  std::string tls_key;             // PEM file; empty: the key stands in tls_certificate too
  int threads = 1;                 // event loops
  int backlog = 512;
  size_t max_head_bytes = size_t{32} << 10;
  size_t max_target_bytes = size_t{8} << 10;  // path and query
  size_t max_body_bytes = size_t{64} << 20;
  size_t max_receiving_bytes = size_t{1}
                               << 30;  // bodies that are being received, of all connections together
  size_t max_connections = 1024;
  size_t max_unsent_bytes = size_t{4} << 20;        // of a streamed answer; a client that reads slower is cut
  size_t least_body_rate = 1024;                    // bytes a second, once body_timeout has passed
  std::chrono::milliseconds head_timeout{10'000};   // from a request's first byte (or the connection's start)
  std::chrono::milliseconds body_timeout{30'000};   // between two reads
  std::chrono::milliseconds idle_timeout{75'000};   // between two requests
  std::chrono::milliseconds write_timeout{30'000};  // in which the client takes nothing of what waits for it
  // Asked on the event loop for a request with a body, before any of the body is read or asked for. Requests
  // without a body, whose answer need not close the connection, go to the handler as they are.
  std::function<std::optional<HttpRefusal>(const HttpRequest& head)> check_head;
  // Told on the event loop when a request has ended; it must not block for long.
  std::function<void(const HttpRecord&)> on_end;
};

struct HttpExchangeState;

// One request's answer. Every method may be called from any thread; after the answer has ended, and after the
// client has left, they do nothing. An exchange that is dropped unanswered is answered with a 500, one that
// is dropped between begin and finish is aborted.
//
// A client that half-closes its connection (sends FIN and waits) counts as gone, since it looks the same as
// one that left: on_gone is called and write() returns false. A complete answer by respond() is still sent.
class HttpExchange {
 public:
  explicit HttpExchange(std::shared_ptr<HttpExchangeState> state);
  ~HttpExchange();
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  // Sends a whole answer. Content-Length, Date and Connection are added; control characters in headers become
  // spaces. A HEAD request gets the headers of the answer alone.
  void respond(int status, const HttpHeaders& headers, std::string_view body);

  // respond() with application/json.
  void respond_json(int status, std::string_view body, const HttpHeaders& headers = {});

  // respond_json() with http_error_body().
  void respond_error(int status, std::string_view message, std::string_view code = {},
                     std::string_view param = {}, const HttpHeaders& headers = {});

  // Starts an answer whose body comes by write(), in chunks (to HTTP/1.0: until the connection closes).
  void begin(int status, const HttpHeaders& headers);

  // Queues a part of the body; parts keep their order, and those that wait together leave together. False
  // once the client is gone, also when it is cut because more than max_unsent_bytes wait for it.
  bool write(std::string_view part);

  // Ends the body, with a last part that leaves together with its end: a client that closes when it has read
  // that part has not left early.
  void finish(std::string_view last_part = {});

  // Closes the connection after what was queued, without the body's proper end: the client sees a broken
  // answer.
  void abort();

  // From begin() on, `text` is sent as a part whenever nothing was for `interval`; zero turns it off.
  void heartbeat(std::chrono::milliseconds interval, std::string text);

  // Called once when the client leaves (or is cut, or the server stops) before the answer has ended; at once,
  // on the caller's thread, if it has left; otherwise on the event loop, so it must not block. A later
  // callback replaces an earlier one.
  void on_gone(std::function<void()> callback);
  bool gone() const;

  // Adds to what the request's record says beside its status.
  void note(std::string_view text);

  // Bytes that wait for the client to read.
  size_t unsent_bytes() const;

 private:
  std::shared_ptr<HttpExchangeState> state_;
};

// Totals since the start, but for the first two.
struct HttpServerCounters {
  uint64_t open_connections = 0;
  uint64_t busy_connections = 0;  // with a request, from its head on
  uint64_t accepted = 0;
  uint64_t refused = 0;  // beyond max_connections
  uint64_t requests = 0;
  uint64_t malformed = 0;    // answered with a 4xx or 5xx by the server itself, time-outs apart
  uint64_t turned_away = 0;  // by check_head
  uint64_t timed_out = 0;    // while a request was received
  uint64_t gone = 0;         // clients that left before their answer had ended
  uint64_t cut = 0;          // clients that did not read
  uint64_t received_bytes = 0;
  uint64_t sent_bytes = 0;
  std::map<int, uint64_t> answers;  // by status, the server's own included
};

// An HTTP/1.1 server on event loops of its own. The handler runs on a loop (with several, on several at a
// time) and must not block; it may answer at once, or keep the exchange and answer from any thread. Requests
// of one connection are handled one after the other, in order. Requests that break the protocol or a limit
// are answered with {"error": {…}} and never reach the handler.
class HttpServer {
 public:
  using Handler = std::function<void(HttpRequest, std::shared_ptr<HttpExchange>)>;

  // Binds and reads the certificate. Errors in one line: kIo (address in use, not allowed), kNetwork (unknown
  // host), kNotFound, kCorruptData or kInvalidArgument (certificate, key, options).
  HttpServer(HttpServerOptions options, Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Listens and serves. Errors: kIo.
  void start();

  uint16_t port() const;
  std::string address() const;  // "127.0.0.1:8000", "[::1]:8000"
  bool secure() const;

  // Closes connections that wait for a request, and others after their answer. New ones are taken still, for
  // one answer each: it is for the handler to refuse what comes.
  void drain();

  // Waits until no request whose head has come is left; false at the deadline.
  bool wait_idle(TimePoint deadline);

  // Closes every connection (their exchanges become gone) and ends the loops. Not from the handler.
  void stop();

  HttpServerCounters counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace oag
