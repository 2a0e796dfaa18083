#include "service/net/http_connection.h"

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <tuple>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "service/net/http_request_reader.h"
#include "service/net/http_response.h"

namespace oag {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;

constexpr size_t kReadBytes = 16 << 10;
constexpr size_t kMaxPipelinedBytes = 64 << 10;  // kept while a request is answered; then reading pauses
constexpr size_t kKeptBufferBytes = 256 << 10;   // capacity that a connection keeps between answers
constexpr milliseconds kPausedLook{100};         // while reading pauses, the peer's state is polled
constexpr milliseconds kLingerTime{2'000};       // for the client to read the last answer and close

HttpReaderLimits reader_limits(const HttpServerOptions& options) {
  HttpReaderLimits limits;
  limits.max_head_bytes = options.max_head_bytes;
  limits.max_target_bytes = options.max_target_bytes;
  limits.max_body_bytes = options.max_body_bytes;
  return limits;
}

class Session final : public HttpConnection {
 public:
  Session(HttpLoop& loop, std::string peer)
      : loop_(loop),
        core_(*loop.core),
        socket_(loop.io),
        timer_(loop.io),
        reader_(reader_limits(loop.core->options)),
        peer_(std::move(peer)) {
    if (loop.tls != nullptr) tls_.emplace(socket_, *loop.tls);
  }

  // Takes the socket over; false, and the connection is closed, if the loop cannot watch it.
  bool adopt(int fd);

  void start();
  void start_refusing();
  void pump() override;
  void drain() override;
  void close() override;

 private:
  // kRefusing: the server's own last answer is being sent. kLinger: everything was sent, the client's close
  // is awaited, so that what it still sends does not reset the connection under the answer it has not read.
  enum class Phase { kHandshake, kIdle, kHead, kBody, kAnswer, kRefusing, kLinger, kClosed };

  std::shared_ptr<Session> self() { return std::static_pointer_cast<Session>(shared_from_this()); }
  bool is_receiving() const {
    return phase_ == Phase::kIdle || phase_ == Phase::kHead || phase_ == Phase::kBody;
  }

  void enter(Phase phase, milliseconds patience = milliseconds(0));
  void read();
  void on_read(const error_code& error, size_t count);
  void on_end_of_stream();
  void process();
  void count_body(size_t bytes);
  void answer();
  void call_handler(HttpRequest request);
  bool turn_away();
  void refuse(const HttpProblem& problem, const HttpHeaders& headers = {});
  void send_last_answer(const HttpRefusal& answer);
  void time_out();
  bool advance_output();
  bool was_cut() const;
  bool take_output();
  bool send_now();
  void write();
  void on_write(const error_code& error, size_t count);
  bool end_answer();
  void linger();
  void reset();
  void leave_exchange();
  void tell_gone();
  void begin_record(const HttpRequest& head);
  void record(int status, bool whole, std::string note);
  TimePoint next_deadline() const;
  void update_timer();
  void on_timer();

  HttpLoop& loop_;
  HttpServerCore& core_;
  tcp::socket socket_;
  std::optional<asio::ssl::stream<tcp::socket&>> tls_;
  asio::steady_timer timer_;
  TimePoint armed_for_ = TimePoint::max();
  HttpRequestReader reader_;
  const std::string peer_;

  Phase phase_ = Phase::kIdle;
  bool busy_ = false;
  bool reading_ = false;
  bool paused_ = false;  // enough pipelined bytes are kept
  bool end_of_stream_ = false;
  TimePoint deadline_ = TimePoint::max();  // of the phase
  TimePoint body_began_, last_read_;
  size_t counted_body_ = 0;
  std::array<char, kReadBytes> input_;

  std::shared_ptr<HttpExchangeState> exchange_;
  HttpRecord record_;                   // of the request that is being answered
  TimePoint arrival_;                   // likewise
  milliseconds heartbeat_interval_{0};  // of the exchange, as the last pump saw it
  TimePoint last_part_;
  std::string own_output_;  // what the server itself says
  std::string sending_;
  size_t sent_ = 0;
  bool writing_ = false;
  bool pumping_ = false;
  TimePoint last_progress_;
};

void Session::enter(Phase phase, milliseconds patience) {
  phase_ = phase;
  deadline_ = patience.count() > 0 ? Clock::now() + patience : TimePoint::max();
  const bool busy = phase == Phase::kBody || phase == Phase::kAnswer || phase == Phase::kRefusing;
  if (busy == busy_) return;
  busy_ = busy;
  const std::lock_guard lock(core_.busy_mutex);
  core_.busy += busy ? 1 : -1;
  if (core_.busy == 0) core_.no_longer_busy.notify_all();
}

bool Session::adopt(int fd) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size);
  error_code error;
  std::ignore = socket_.assign(name.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), fd, error);
  if (!error) socket_.non_blocking(true, error);
  if (!error) return true;
  log(LogLevel::kWarning, "http: a connection was dropped: {}", error.message());
  if (!socket_.is_open()) ::close(fd);
  close();
  return false;
}

void Session::start() {
  if (!tls_) {
    enter(Phase::kIdle, core_.options.head_timeout);
    read();
    return update_timer();
  }
  enter(Phase::kHandshake, core_.options.head_timeout);
  tls_->async_handshake(asio::ssl::stream_base::server, [self = self()](const error_code& error) {
    if (self->phase_ != Phase::kHandshake) return;
    if (error) {
      log(LogLevel::kDebug, "http: TLS handshake with {}: {}", self->peer_, error.message());
      return self->close();
    }
    self->enter(Phase::kIdle, self->core_.options.head_timeout);
    self->read();
    self->update_timer();
  });
  update_timer();
}

void Session::start_refusing() {
  if (tls_) return close();  // no handshake is spent on it
  refuse({503, "too_many_connections", "the server has as many connections as it takes; try again later"},
         {{"Retry-After", "1"}});
  read();
  update_timer();
}

void Session::read() {
  if (reading_ || paused_ || end_of_stream_ || phase_ == Phase::kClosed) return;
  reading_ = true;
  auto handler = [self = self()](const error_code& error, size_t count) { self->on_read(error, count); };
  if (tls_) {
    tls_->async_read_some(asio::buffer(input_), std::move(handler));
  } else {
    socket_.async_read_some(asio::buffer(input_), std::move(handler));
  }
}

void Session::on_read(const error_code& error, size_t count) {
  reading_ = false;
  if (phase_ == Phase::kClosed) return;
  if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) return on_end_of_stream();
  if (error) return close();
  core_.received_bytes += count;
  last_read_ = Clock::now();
  if (is_receiving() || phase_ == Phase::kAnswer) reader_.feed({input_.data(), count});
  if (phase_ == Phase::kAnswer) paused_ = reader_.buffered_bytes() > kMaxPipelinedBytes;
  process();
  read();
  update_timer();
}

void Session::on_end_of_stream() {
  end_of_stream_ = true;
  if (phase_ == Phase::kAnswer) {
    tell_gone();
    pump();
  } else if (phase_ != Phase::kRefusing) {
    close();
  }
}

// Reads requests in what has arrived, up to one that is complete.
void Session::process() {
  while (is_receiving()) {
    const auto step = reader_.advance();
    count_body(reader_.body_bytes());
    switch (step) {
      case HttpRequestReader::Step::kNeedMore:
        if (phase_ == Phase::kIdle && !reader_.idle()) enter(Phase::kHead, core_.options.head_timeout);
        if (phase_ == Phase::kBody && core_.receiving_bytes > core_.options.max_receiving_bytes) {
          refuse({503, "overloaded", "the server is receiving too many large requests; try again later"},
                 {{"Retry-After", "1"}});
        }
        return;
      case HttpRequestReader::Step::kHead:
        enter(Phase::kBody);
        body_began_ = last_read_ = Clock::now();
        if (turn_away()) return;
        if (reader_.awaits_continue()) {
          own_output_ += "HTTP/1.1 100 Continue\r\n\r\n";
          pump();
        }
        break;
      case HttpRequestReader::Step::kRequest: return answer();
      case HttpRequestReader::Step::kProblem: return refuse(reader_.problem());
    }
  }
}

// Answers a request by its head where the options say so.
bool Session::turn_away() {
  if (!core_.options.check_head) return false;
  begin_record(reader_.head());
  std::optional<HttpRefusal> refusal;
  try {
    refusal = core_.options.check_head(reader_.head());
  } catch (const std::exception& error) {
    log(LogLevel::kError, "http: the check of a head failed: {}", error.what());
    refusal = {500,
               {{"Content-Type", "application/json"}},
               http_error_body(500, "the server failed to handle the request", "internal_error")};
  }
  if (!refusal) return false;
  ++core_.turned_away;
  send_last_answer(*refusal);
  return true;
}

void Session::count_body(size_t bytes) {
  core_.receiving_bytes += bytes - counted_body_;  // modulo 2^64: also downwards
  counted_body_ = bytes;
}

void Session::answer() {
  HttpRequest request = reader_.take();
  count_body(0);
  request.peer = peer_;
  begin_record(request);
  exchange_ = std::make_shared<HttpExchangeState>();
  exchange_->core = loop_.core;
  exchange_->mailbox = loop_.mailbox;
  exchange_->connection = this;
  exchange_->head_only = request.method == "HEAD";
  exchange_->minor_version = request.minor_version;
  exchange_->keep_alive = request.keep_alive;
  exchange_->queued = true;  // pump() follows
  ++core_.requests;
  enter(Phase::kAnswer);
  call_handler(std::move(request));
  pump();
}

void Session::call_handler(HttpRequest request) {
  // Held here too: when the handler throws, it is answered below and not as one that was dropped.
  const auto exchange = std::make_shared<HttpExchange>(exchange_);
  try {
    core_.handler(std::move(request), exchange);
  } catch (const std::exception& error) {
    log(LogLevel::kError, "http: the handler failed: {}", error.what());
    exchange_->fail("the server failed to handle the request");
  } catch (...) {
    exchange_->fail("the server failed to handle the request");
  }
}

void Session::refuse(const HttpProblem& problem, const HttpHeaders& headers) {
  ++(problem.status == 408 ? core_.timed_out : core_.malformed);
  HttpRefusal answer{problem.status,
                     {{"Content-Type", "application/json"}},
                     http_error_body(problem.status, problem.message, problem.code),
                     fmt::format("error={}", problem.code)};
  answer.headers.insert(answer.headers.end(), headers.begin(), headers.end());
  send_last_answer(answer);
}

// The server's own answer, after which the connection closes.
void Session::send_last_answer(const HttpRefusal& answer) {
  core_.count_answer(answer.status);
  append_response_head(own_output_, {answer.status, false, 1, false, answer.body.size()}, answer.headers);
  own_output_ += answer.body;
  record(answer.status, true, answer.note);
  count_body(0);
  enter(Phase::kRefusing);
  pump();
}

// Moves what is to be sent next to sending_; false if there is nothing.
bool Session::take_output() {
  sent_ = 0;
  sending_.clear();
  if (sending_.capacity() > kKeptBufferBytes) sending_.shrink_to_fit();
  if (!own_output_.empty()) {
    sending_.swap(own_output_);
    return true;
  }
  if (!exchange_) return false;
  const std::lock_guard lock(exchange_->mutex);
  sending_.swap(exchange_->pending);
  exchange_->in_flight = sending_.size();
  exchange_->queued = !sending_.empty();  // the end of the write looks again
  const bool beats = exchange_->phase == HttpExchangeState::Phase::kStreaming && !exchange_->gone;
  heartbeat_interval_ = beats ? exchange_->heartbeat_interval : milliseconds(0);
  last_part_ = exchange_->last_part;
  return !sending_.empty();
}

void Session::pump() {
  if (pumping_) return;  // called by what pump() itself began: it goes on there
  pumping_ = true;
  while (advance_output()) continue;
  pumping_ = false;
  update_timer();
}

// Sends what there is, or does what follows when all was sent. True if there may be more.
bool Session::advance_output() {
  if (phase_ == Phase::kClosed) return false;
  if (was_cut()) {
    ++core_.cut;
    reset();
    return false;
  }
  if (writing_) return false;
  if (take_output()) {
    last_progress_ = Clock::now();
    return send_now();
  }
  if (phase_ == Phase::kRefusing) linger();
  return phase_ == Phase::kAnswer && end_answer();
}

bool Session::was_cut() const {
  if (!exchange_) return false;
  const std::lock_guard lock(exchange_->mutex);
  return exchange_->cut;
}

// Mostly the kernel takes all at once, which saves the way through the loop's queue. False if it did not.
bool Session::send_now() {
  if (!tls_) {
    error_code error;
    sent_ = socket_.write_some(asio::buffer(sending_), error);
    if (error && error != asio::error::would_block && error != asio::error::try_again) {
      close();
      return false;
    }
    core_.sent_bytes += sent_;
    if (sent_ == sending_.size()) return true;
  }
  write();
  return false;
}

void Session::write() {
  writing_ = true;
  auto handler = [self = self()](const error_code& error, size_t count) { self->on_write(error, count); };
  const auto rest = asio::buffer(sending_.data() + sent_, sending_.size() - sent_);
  if (tls_) {
    tls_->async_write_some(rest, std::move(handler));
  } else {
    socket_.async_write_some(rest, std::move(handler));
  }
}

void Session::on_write(const error_code& error, size_t count) {
  writing_ = false;
  if (phase_ == Phase::kClosed) return;
  if (error) return close();
  core_.sent_bytes += count;
  sent_ += count;
  last_progress_ = Clock::now();
  if (sent_ < sending_.size()) return write();
  pump();
}

// Goes on to the next request, or closes, if the exchange has ended; everything it had was sent. True if the
// connection goes on.
bool Session::end_answer() {
  bool keep_alive = false;
  bool aborted = false;
  int status = 0;
  std::string note;
  {
    const std::lock_guard lock(exchange_->mutex);
    if (exchange_->phase != HttpExchangeState::Phase::kEnded || !exchange_->pending.empty()) return false;
    exchange_->closed = true;
    keep_alive = exchange_->keep_alive && !end_of_stream_ && !core_.draining;
    aborted = exchange_->aborted;
    status = exchange_->status;
    note = exchange_->note;
  }
  record(status, !aborted, std::move(note));
  exchange_->connection = nullptr;
  // Where the body ends with the connection, only a reset tells that it is not whole.
  const bool ends_with_connection = exchange_->minor_version == 0;
  exchange_.reset();
  heartbeat_interval_ = milliseconds(0);
  if (aborted || !keep_alive) {
    aborted&& ends_with_connection ? reset() : linger();
    return false;
  }
  paused_ = false;
  enter(Phase::kIdle, core_.options.idle_timeout);
  process();
  read();
  return true;
}

void Session::linger() {
  if (end_of_stream_) return close();
  enter(Phase::kLinger, kLingerTime);
  paused_ = false;
  if (tls_) {
    tls_->async_shutdown([self = self()](const error_code&) { self->close(); });
  } else {
    error_code ignored;
    std::ignore = socket_.shutdown(tcp::socket::shutdown_send, ignored);
  }
  read();
}

// Closes so that the client sees an error, whatever waits in between.
void Session::reset() {
  error_code ignored;
  std::ignore = socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  close();
}

void Session::drain() {
  if (phase_ == Phase::kHandshake) close();
  if (phase_ == Phase::kIdle) linger();
}

void Session::close() {
  if (phase_ == Phase::kClosed) return;
  const auto keep = shared_from_this();
  if (phase_ == Phase::kBody) record(0, false, "error=incomplete");
  enter(Phase::kClosed);
  count_body(0);
  timer_.cancel();
  error_code ignored;
  std::ignore = socket_.close(ignored);
  leave_exchange();
  loop_.connections.erase(this);
  --core_.open;
}

void Session::leave_exchange() {
  if (!exchange_) return;
  const auto exchange = std::exchange(exchange_, nullptr);
  exchange->connection = nullptr;
  exchange->tell_gone();
  int status = 0;
  std::string note;
  {
    const std::lock_guard lock(exchange->mutex);
    exchange->closed = true;
    exchange->pending = std::string();
    exchange->in_flight = 0;
    status = exchange->status;
    note = exchange->note;
  }
  record(status, false, std::move(note));
}

void Session::tell_gone() {
  if (exchange_) exchange_->tell_gone();
}

// Of a request with a body for the first time when its head is there.
void Session::begin_record(const HttpRequest& head) {
  if (!record_.method.empty()) return;
  record_.method = head.method;
  record_.path = head.path;
  arrival_ = Clock::now();
}

void Session::record(int status, bool whole, std::string note) {
  if (core_.options.on_end) {
    record_.peer = peer_;
    record_.status = status;
    record_.whole = whole;
    record_.milliseconds = record_.method.empty() ? 0 : elapsed_ms(arrival_, Clock::now());
    record_.note = std::move(note);
    core_.options.on_end(record_);
  }
  record_ = HttpRecord();
}

TimePoint Session::next_deadline() const {
  const HttpServerOptions& options = core_.options;
  TimePoint next = deadline_;
  if (phase_ == Phase::kBody) {
    const auto earned = std::chrono::seconds(counted_body_ / std::max<size_t>(options.least_body_rate, 1));
    next = std::min(last_read_ + options.body_timeout, body_began_ + options.body_timeout + earned);
  }
  if (writing_) next = std::min(next, last_progress_ + options.write_timeout);
  if (heartbeat_interval_.count() > 0 && !writing_) next = std::min(next, last_part_ + heartbeat_interval_);
  if (paused_) next = std::min(next, Clock::now() + kPausedLook);
  return next;
}

// A timer that is set for earlier stays: most deadlines move on before they are due.
void Session::update_timer() {
  if (phase_ == Phase::kClosed) return;
  const TimePoint next = next_deadline();
  if (next >= armed_for_) return;
  armed_for_ = next;
  timer_.expires_at(next);
  timer_.async_wait([self = self()](const error_code& error) {
    if (error) return;
    self->armed_for_ = TimePoint::max();
    self->on_timer();
  });
}

void Session::time_out() {
  switch (phase_) {
    case Phase::kHead: return refuse({408, "request_timeout", "the request's head did not arrive in time"});
    case Phase::kBody: return refuse({408, "request_timeout", "the request's body came too slowly"});
    default: return close();
  }
}

void Session::on_timer() {
  if (phase_ == Phase::kClosed) return;
  const TimePoint now = Clock::now();
  if (writing_ && now >= last_progress_ + core_.options.write_timeout) {
    ++core_.cut;
    return reset();
  }
  if (paused_) {
    pollfd state{socket_.native_handle(), POLLRDHUP, 0};
    if (::poll(&state, 1, 0) > 0 && (state.revents & POLLRDHUP) != 0) {
      paused_ = false;
      return on_end_of_stream();
    }
  }
  if (exchange_ && !writing_ && heartbeat_interval_.count() > 0 && now >= last_part_ + heartbeat_interval_) {
    exchange_->beat(now);
    return pump();
  }
  if (now >= next_deadline()) return time_out();
  update_timer();
}

}  // namespace

void serve_connection(HttpLoop& loop, int fd, std::string peer, bool refuse) {
  const auto session = std::make_shared<Session>(loop, std::move(peer));
  loop.connections.emplace(session.get(), session);
  if (!session->adopt(fd)) return;
  if (loop.stopped) return session->close();
  refuse ? session->start_refusing() : session->start();
}

}  // namespace oag
