#include "service/net/http_server.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/thread_name.h"
#include "service/net/http_connection.h"
#include "service/net/http_exchange.h"
#include "service/net/http_listener.h"
#include "service/net/http_tls.h"

namespace oag {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr int kAcceptsPerWake = 64;                     // before the loop looks after its connections again
constexpr std::chrono::milliseconds kAcceptPause{100};  // when the process is out of descriptors
constexpr uint64_t kMaxRefusing = 64;  // connections beyond the limit that are told so, not just closed

// An io_context with its thread.
class LoopThread {
 public:
  LoopThread(std::shared_ptr<HttpServerCore> core, asio::ssl::context* tls)
      : work_(io_.get_executor()), loop_{io_, tls, std::move(core), nullptr, {}} {
    loop_.mailbox = std::make_shared<HttpMailbox>([this] { asio::post(io_, [this] { collect(); }); });
  }

  ~LoopThread() { stop(); }

  asio::io_context& io() { return io_; }
  HttpLoop& loop() { return loop_; }

  void start() {
    thread_ = std::thread([this] { run(); });
  }

  template <typename Task>
  void post(Task task) {
    asio::post(io_, std::move(task));
  }

  // Closes all connections and waits for the thread.
  void stop() {
    if (!thread_.joinable()) return;
    post([this] {
      loop_.stopped = true;
      for_each([](HttpConnection& connection) { connection.close(); });
      work_.reset();
    });
    thread_.join();
    loop_.mailbox->close();
  }

  void drain() {
    post([this] { for_each([](HttpConnection& connection) { connection.drain(); }); });
  }

 private:
  void run() {
    name_thread("oag-net");
    for (;;) {
      try {
        io_.run();
        return;
      } catch (const std::exception& error) {
        log(LogLevel::kError, "http: a connection's handler failed: {}", error.what());
      }
    }
  }

  void collect() {
    loop_.mailbox->take(told_);
    for (const auto& state : told_) {
      if (state->connection == nullptr) continue;
      const auto keep = state->connection->shared_from_this();
      keep->pump();
    }
    told_.clear();
  }

  template <typename Action>
  void for_each(Action action) {
    std::vector<std::shared_ptr<HttpConnection>> all;  // actions change the set
    for (const auto& [address, connection] : loop_.connections) all.push_back(connection);
    for (const auto& connection : all) action(*connection);
  }

  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  HttpLoop loop_;
  std::vector<std::shared_ptr<HttpExchangeState>> told_;
  std::thread thread_;
};

void check_options(const HttpServerOptions& options) {
  const auto check = [](bool good, const char* name, const char* expected) {
    if (!good) fail(ErrorCode::kInvalidArgument, name, "out of range: expected {}", expected);
  };
  check(options.threads >= 1 && options.threads <= 64, "threads", "1 to 64");
  check(options.max_connections >= 1, "max_connections", "at least 1");
  check(options.max_head_bytes >= 256 && options.max_head_bytes <= (size_t{1} << 30), "max_head_bytes",
        "256 bytes to 1 GiB");
  check(options.tls_key.empty() || !options.tls_certificate.empty(), "tls_key",
        "a certificate beside the key");
}

}  // namespace

struct HttpServer::Impl {
  Impl(HttpServerOptions options, Handler handler)
      : core(std::make_shared<HttpServerCore>()),
        listener((check_options(options), options.host), options.port) {
    if (!options.tls_certificate.empty()) {
      tls = make_tls_server_context(options.tls_certificate, options.tls_key);
    }
    core->options = std::move(options);
    core->handler = std::move(handler);
    for (int i = 0; i < core->options.threads; ++i) {
      loops.push_back(std::make_unique<LoopThread>(core, tls.get()));
    }
  }

  void watch();
  void accept_waiting();
  bool accept_one();
  void pause_accepting(int reason);
  void close_listener();

  std::shared_ptr<HttpServerCore> core;
  HttpListener listener;
  std::shared_ptr<asio::ssl::context> tls;
  std::vector<std::unique_ptr<LoopThread>> loops;
  // On the first loop.
  std::unique_ptr<asio::posix::stream_descriptor> acceptor;
  std::unique_ptr<asio::steady_timer> pause;
  size_t next_loop = 0;
  bool paused_before = false;
  std::mutex control;  // start, drain, stop
  bool started = false;
  bool stopped = false;
};

void HttpServer::Impl::watch() {
  acceptor->async_wait(asio::posix::stream_descriptor::wait_read, [this](const error_code& error) {
    if (!error) accept_waiting();
  });
}

void HttpServer::Impl::accept_waiting() {
  for (int i = 0; i < kAcceptsPerWake; ++i) {
    if (accept_one()) continue;
    const int reason = errno;
    if (reason == EAGAIN || reason == EWOULDBLOCK) return watch();
    // Those that a client's early leave or the network causes; accept(2) says to go on.
    if (reason == EMFILE || reason == ENFILE || reason == ENOBUFS || reason == ENOMEM) {
      return pause_accepting(reason);
    }
  }
  watch();
}

// The connection stays in the backlog and the socket readable: without a pause the loop would spin.
void HttpServer::Impl::pause_accepting(int reason) {
  if (!std::exchange(paused_before, true)) {
    log(LogLevel::kWarning, "http: no connection can be accepted for now: {}", std::strerror(reason));
  }
  pause->expires_after(kAcceptPause);
  pause->async_wait([this](const error_code& error) {
    if (!error && acceptor->is_open()) accept_waiting();
  });
}

bool HttpServer::Impl::accept_one() {
  std::string peer;
  const int fd = listener.accept(peer);
  if (fd < 0) return false;
  paused_before = false;
  ++core->accepted;
  const uint64_t before = core->open++;
  const bool refuse = before >= core->options.max_connections;
  if (refuse) ++core->refused;
  if (before >= core->options.max_connections + kMaxRefusing) {
    --core->open;
    ::close(fd);
    return true;
  }
  LoopThread& target = *loops[next_loop++ % loops.size()];
  const auto serve = [&loop = target.loop(), fd, peer, refuse] { serve_connection(loop, fd, peer, refuse); };
  target.post(serve);
  return true;
}

void HttpServer::Impl::close_listener() {
  pause->cancel();
  if (acceptor->is_open()) {
    acceptor->cancel();
    acceptor->release();
  }
  listener.close();
}

HttpServer::HttpServer(HttpServerOptions options, Handler handler)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(handler))) {}

HttpServer::~HttpServer() {
  stop();
}

void HttpServer::start() {
  Impl& impl = *impl_;
  const std::lock_guard lock(impl.control);
  if (impl.started || impl.stopped) return;
  impl.listener.listen(impl.core->options.backlog);
  asio::io_context& io = impl.loops.front()->io();
  impl.acceptor = std::make_unique<asio::posix::stream_descriptor>(io, impl.listener.fd());
  impl.pause = std::make_unique<asio::steady_timer>(io);
  impl.watch();
  for (const auto& loop : impl.loops) loop->start();
  impl.started = true;
}

uint16_t HttpServer::port() const {
  return impl_->listener.port();
}

std::string HttpServer::address() const {
  return impl_->listener.address();
}

bool HttpServer::secure() const {
  return impl_->tls != nullptr;
}

void HttpServer::drain() {
  Impl& impl = *impl_;
  const std::lock_guard lock(impl.control);
  if (!impl.started || impl.stopped || impl.core->draining.exchange(true)) return;
  for (const auto& loop : impl.loops) loop->drain();
}

bool HttpServer::wait_idle(TimePoint deadline) {
  HttpServerCore& core = *impl_->core;
  std::unique_lock lock(core.busy_mutex);
  return core.no_longer_busy.wait_until(lock, deadline, [&core] { return core.busy == 0; });
}

void HttpServer::stop() {
  Impl& impl = *impl_;
  const std::lock_guard lock(impl.control);
  if (std::exchange(impl.stopped, true)) return;
  impl.core->draining = true;
  if (!impl.started) return;
  impl.loops.front()->post([&impl] { impl.close_listener(); });
  for (const auto& loop : impl.loops) loop->stop();
}

HttpServerCounters HttpServer::counters() const {
  const HttpServerCore& core = *impl_->core;
  HttpServerCounters counters;
  counters.open_connections = core.open;
  {
    const std::lock_guard lock(impl_->core->busy_mutex);
    counters.busy_connections = core.busy;
  }
  counters.accepted = core.accepted;
  counters.refused = core.refused;
  counters.requests = core.requests;
  counters.malformed = core.malformed;
  counters.turned_away = core.turned_away;
  counters.timed_out = core.timed_out;
  counters.gone = core.gone;
  counters.cut = core.cut;
  counters.received_bytes = core.received_bytes;
  counters.sent_bytes = core.sent_bytes;
  for (size_t status = 0; status < core.answers.size(); ++status) {
    if (const uint64_t count = core.answers[status]; count > 0)
      counters.answers[static_cast<int>(status)] = count;
  }
  return counters;
}

}  // namespace oag
