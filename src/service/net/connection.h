#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace oag {

enum class NetFailure {
  kNone,
  kCancelled,
  kUnresolved,   // the host's name is unknown, or no name server answered
  kUnreachable,  // refused, no route, network down
  kTimedOut,
  kUntrusted,  // the certificate does not prove that the peer is who it should be
  kDropped,    // the peer closed or broke the connection
  kMalformed,  // the peer does not speak the protocol
};

// A TCP connection, with or without TLS, used from one thread. Every operation ends by its deadline, and
// within about 50 ms after `cancel` turns true. An operation that fails returns false (or a negative number)
// and leaves the reason in failure() and detail(); the connection is closed then.
class Connection {
 public:
  explicit Connection(const std::atomic<bool>* cancel);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Looks the name up and tries its addresses in order.
  bool open(const std::string& host, uint16_t port, TimePoint deadline);

  // TLS 1.2 or newer. The peer must prove to be `host` against the system's certificates, or those that
  // SSL_CERT_FILE and SSL_CERT_DIR name.
  bool start_tls(const std::string& host, TimePoint deadline);

  bool write(std::string_view bytes, TimePoint deadline);

  // Reads at least one byte; 0 means that the peer ended the stream properly, -1 a failure.
  std::ptrdiff_t read_some(std::span<char> buffer, TimePoint deadline);

  NetFailure failure() const;
  const std::string& detail() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace oag
