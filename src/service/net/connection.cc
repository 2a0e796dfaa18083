#include "service/net/connection.h"

#include <netdb.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <tuple>
#include <vector>

#include "base/error.h"

namespace oag {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto kPollInterval = std::chrono::milliseconds(50);

struct Lookup {
  std::mutex mutex;
  std::condition_variable ready;
  bool done = false;
  int error = 0;
  std::vector<tcp::endpoint> endpoints;
};

void look_up(const std::string& host, uint16_t port, Lookup& lookup) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  std::vector<tcp::endpoint> endpoints;
  for (const addrinfo* entry = error == 0 ? list : nullptr; entry != nullptr; entry = entry->ai_next) {
    tcp::endpoint endpoint;
    if (entry->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), entry->ai_addr, entry->ai_addrlen);
    endpoint.resize(entry->ai_addrlen);
    endpoints.push_back(endpoint);
  }
  if (error == 0) ::freeaddrinfo(list);
  const std::lock_guard lock(lookup.mutex);
  lookup.done = true;
  lookup.error = error;
  lookup.endpoints = std::move(endpoints);
  lookup.ready.notify_one();
}

bool is_network_down(const error_code& error) {
  return error == asio::error::connection_refused || error == asio::error::network_unreachable ||
         error == asio::error::host_unreachable || error == asio::error::network_down ||
         error == asio::error::timed_out || error == asio::error::access_denied;
}

}  // namespace

struct Connection::Impl {
  explicit Impl(const std::atomic<bool>* cancel_flag) : cancel(cancel_flag), socket(io) {}

  bool cancelled() const { return cancel != nullptr && cancel->load(); }

  bool fail_with(NetFailure kind, std::string text) {
    failure = kind;
    detail = std::move(text);
    error_code ignored;
    std::ignore = (tls ? tls->next_layer() : socket).close(ignored);
    return false;
  }

  // Starts an asynchronous operation and runs it to its end, the deadline or a cancel, whichever is first. In
  // the last two cases the socket is closed, which ends the operation, so its handler never outlives this
  // call.
  template <typename Start>
  error_code run(Start start, TimePoint deadline, size_t* transferred = nullptr) {
    bool finished = false;
    error_code result;
    start([&](const error_code& error, size_t bytes) {
      finished = true;
      result = error;
      if (transferred != nullptr) *transferred = bytes;
    });
    io.restart();
    while (!finished) {
      io.run_one_until(std::min(deadline, Clock::now() + kPollInterval));
      if (finished) break;
      if (failure == NetFailure::kNone && cancelled()) {
        fail_with(NetFailure::kCancelled, "stopped on request");
      } else if (failure == NetFailure::kNone && Clock::now() >= deadline) {
        fail_with(NetFailure::kTimedOut, "no answer in time");
      }
      if (failure != NetFailure::kNone) io.run_one_for(kPollInterval);
    }
    return result;
  }

  bool resolve(const std::string& host, uint16_t port, TimePoint deadline,
               std::vector<tcp::endpoint>& endpoints);
  bool connect_to(const tcp::endpoint& endpoint, TimePoint deadline);
  bool classify(const error_code& error);

  const std::atomic<bool>* cancel;
  asio::io_context io{1};
  tcp::socket socket;
  std::optional<asio::ssl::context> tls_context;
  std::optional<asio::ssl::stream<tcp::socket>> tls;
  NetFailure failure = NetFailure::kNone;
  std::string detail;
};

bool Connection::Impl::resolve(const std::string& host, uint16_t port, TimePoint deadline,
                               std::vector<tcp::endpoint>& endpoints) {
  // getaddrinfo cannot be interrupted. Its thread shares ownership of the result and may finish after we gave
  // up.
  const auto lookup = std::make_shared<Lookup>();
  std::thread([lookup, host, port] { look_up(host, port, *lookup); }).detach();
  std::unique_lock lock(lookup->mutex);
  while (!lookup->done) {
    if (cancelled()) return fail_with(NetFailure::kCancelled, "stopped on request");
    if (Clock::now() >= deadline) return fail_with(NetFailure::kTimedOut, "no name server answered in time");
    lookup->ready.wait_for(lock, kPollInterval);
  }
  if (lookup->error != 0) {
    return fail_with(lookup->error == EAI_AGAIN ? NetFailure::kUnreachable : NetFailure::kUnresolved,
                     fmt::format("cannot find the host's address: {}", ::gai_strerror(lookup->error)));
  }
  endpoints = lookup->endpoints;
  return true;
}

bool Connection::Impl::connect_to(const tcp::endpoint& endpoint, TimePoint deadline) {
  failure = NetFailure::kNone;
  error_code ignored;
  std::ignore = socket.close(ignored);
  const error_code error = run(
      [&](auto handler) {
        socket.async_connect(endpoint, [handler](const error_code& result) mutable { handler(result, 0); });
      },
      deadline);
  if (failure != NetFailure::kNone) return false;
  if (error) return fail_with(NetFailure::kUnreachable, error.message());
  std::ignore = socket.set_option(tcp::no_delay(true), ignored);
  return true;
}

// Turns an error of a read, write or handshake into a failure.
bool Connection::Impl::classify(const error_code& error) {
  if (failure != NetFailure::kNone) return false;
  if (tls) {
    const long verdict = SSL_get_verify_result(tls->native_handle());
    if (verdict != X509_V_OK)
      return fail_with(NetFailure::kUntrusted, X509_verify_cert_error_string(verdict));
  }
  if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) {
    return fail_with(NetFailure::kDropped, "the peer closed the connection early");
  }
  if (error.category() == asio::error::get_ssl_category()) {
    const char* reason = ERR_reason_error_string(static_cast<unsigned long>(error.value()));
    return fail_with(NetFailure::kMalformed,
                     fmt::format("TLS: {}", reason != nullptr ? reason : "protocol error"));
  }
  return fail_with(is_network_down(error) ? NetFailure::kUnreachable : NetFailure::kDropped, error.message());
}

Connection::Connection(const std::atomic<bool>* cancel) : impl_(std::make_unique<Impl>(cancel)) {}
Connection::~Connection() = default;

NetFailure Connection::failure() const {
  return impl_->failure;
}
const std::string& Connection::detail() const {
  return impl_->detail;
}

bool Connection::open(const std::string& host, uint16_t port, TimePoint deadline) {
  std::vector<tcp::endpoint> endpoints;
  if (!impl_->resolve(host, port, deadline, endpoints)) return false;
  for (size_t i = 0; i < endpoints.size(); ++i) {
    // An address that swallows packets leaves a share of the time to those behind it.
    const auto now = Clock::now();
    const auto share = (deadline - now) / static_cast<int64_t>(endpoints.size() - i);
    if (impl_->connect_to(endpoints[i], now + share)) return true;
    if (impl_->failure == NetFailure::kCancelled) return false;
  }
  if (endpoints.empty()) return impl_->fail_with(NetFailure::kUnresolved, "the host has no address");
  return false;
}

bool Connection::start_tls(const std::string& host, TimePoint deadline) {
  Impl& impl = *impl_;
  impl.tls_context.emplace(asio::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(impl.tls_context->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_default_verify_paths(impl.tls_context->native_handle());
  impl.tls.emplace(std::move(impl.socket), *impl.tls_context);
  SSL* ssl = impl.tls->native_handle();
  SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  error_code not_an_address;
  asio::ip::make_address(host, not_an_address);
  if (not_an_address) {
    SSL_set_tlsext_host_name(ssl, host.c_str());
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set1_host(ssl, host.c_str()) != 1) return impl.fail_with(NetFailure::kUntrusted, "bad host name");
  } else if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) != 1) {
    return impl.fail_with(NetFailure::kUntrusted, "bad host address");
  }
  const error_code error = impl.run(
      [&](auto handler) {
        impl.tls->async_handshake(asio::ssl::stream_base::client,
                                  [handler](const error_code& result) mutable { handler(result, 0); });
      },
      deadline);
  return error || impl.failure != NetFailure::kNone ? impl.classify(error) : true;
}

bool Connection::write(std::string_view bytes, TimePoint deadline) {
  Impl& impl = *impl_;
  const auto buffer = asio::buffer(bytes.data(), bytes.size());
  const error_code error = impl.run(
      [&](auto handler) {
        if (impl.tls) {
          asio::async_write(*impl.tls, buffer, handler);
        } else {
          asio::async_write(impl.socket, buffer, handler);
        }
      },
      deadline);
  return error || impl.failure != NetFailure::kNone ? impl.classify(error) : true;
}

std::ptrdiff_t Connection::read_some(std::span<char> buffer, TimePoint deadline) {
  Impl& impl = *impl_;
  const auto target = asio::buffer(buffer.data(), buffer.size());
  size_t got = 0;
  const error_code error = impl.run(
      [&](auto handler) {
        if (impl.tls) {
          impl.tls->async_read_some(target, handler);
        } else {
          impl.socket.async_read_some(target, handler);
        }
      },
      deadline, &got);
  if (impl.failure == NetFailure::kNone && error == asio::error::eof) return 0;
  if (error || impl.failure != NetFailure::kNone) {
    impl.classify(error);
    return -1;
  }
  return static_cast<std::ptrdiff_t>(got);
}

}  // namespace oag
