#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "service/net/http_server.h"

namespace oag {

class HttpConnection;

// What all loops of one server share.
struct HttpServerCore {
  HttpServerOptions options;
  HttpServer::Handler handler;
  std::atomic<bool> draining{false};
  std::atomic<uint64_t> receiving_bytes{0};
  std::atomic<uint64_t> open{0}, accepted{0}, refused{0}, requests{0}, malformed{0}, turned_away{0},
      timed_out{0}, gone{0}, cut{0}, received_bytes{0}, sent_bytes{0};
  std::array<std::atomic<uint64_t>, 600> answers{};  // by status

  void count_answer(int status) { ++answers[static_cast<size_t>(std::clamp(status, 0, 599))]; }

  std::mutex busy_mutex;
  std::condition_variable no_longer_busy;
  uint64_t busy = 0;
};

// Where exchanges tell their loop that something changed; the loop is woken once for all that gathers there.
class HttpMailbox {
 public:
  explicit HttpMailbox(std::function<void()> wake_loop) : wake_loop_(std::move(wake_loop)) {}

  void put(std::shared_ptr<HttpExchangeState> state);
  void take(std::vector<std::shared_ptr<HttpExchangeState>>& states);
  void close();  // wakes nobody from then on

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<HttpExchangeState>> states_;
  std::function<void()> wake_loop_;
};

// The answer to one request, between the threads that write it and the loop that sends it.
struct HttpExchangeState : std::enable_shared_from_this<HttpExchangeState> {
  enum class Phase { kWaiting, kStreaming, kEnded };

  // Set before the handler sees it.
  std::shared_ptr<HttpServerCore> core;
  std::shared_ptr<HttpMailbox> mailbox;
  bool head_only = false;  // HEAD
  int minor_version = 1;

  HttpConnection* connection = nullptr;  // the loop's alone; null when the connection has done with it

  mutable std::mutex mutex;  // guards what follows
  Phase phase = Phase::kWaiting;
  std::string pending;      // encoded, for the loop to take
  size_t in_flight = 0;     // bytes that the loop took and the kernel did not yet take
  bool keep_alive = false;  // after the answer
  bool queued = false;      // the loop will look without being told
  bool aborted = false;
  bool cut = false;     // the client did not read
  bool gone = false;    // the client has left
  bool closed = false;  // nothing can be sent any more
  std::function<void()> on_gone;
  std::chrono::milliseconds heartbeat_interval{0};
  std::string heartbeat_text;
  TimePoint last_part;
  int status = 0;  // of the answer; 0: none yet
  std::string note;

  void respond(int status, const HttpHeaders& headers, std::string_view body);
  void begin(int status, const HttpHeaders& headers);
  bool write(std::string_view part);
  void finish(std::string_view last_part = {});
  void abort();

  // A 500 if nothing was answered yet, an abort if the answer has begun or the client has left; the
  // connection closes after either.
  void fail(std::string_view message);
  void heartbeat(std::chrono::milliseconds interval, std::string text);
  void set_on_gone(std::function<void()> callback);

  // The loop says that the client left; the first time counts.
  void tell_gone();

  // Sends the heartbeat if nothing else was sent for its interval.
  void beat(TimePoint now);

 private:
  void append_part(std::string_view part);
  void append_head(int status, const HttpHeaders& headers, bool chunked, size_t body_bytes);
  bool claim_wake();
};

}  // namespace oag
