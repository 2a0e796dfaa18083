#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

namespace oag::testing {

// A client that says exactly the bytes it is told, on a socket of its own, and waits at most 10 s for
// answers.
class RawClient {
 public:
  explicit RawClient(uint16_t port, bool tls = false, int receive_buffer = 0) {
    std::signal(SIGPIPE, SIG_IGN);
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0) {
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    const timeval patience{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    if (!tls || !connected_) return;
    context_.reset(SSL_CTX_new(TLS_client_method()));
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), fd_);
    connected_ = SSL_connect(ssl_.get()) == 1;
  }
  ~RawClient() { close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connected() const { return connected_; }

  // False when the server no longer takes it.
  bool send(std::string_view text) {
    while (!text.empty()) {
      const auto put = ssl_ ? SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size()))
                            : static_cast<int>(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL));
      if (put <= 0) return false;
      text.remove_prefix(static_cast<size_t>(put));
    }
    return true;
  }

  // Reads until `text` has come and returns all up to its end; shorter when the connection ends first.
  std::string read_until(std::string_view text) {
    size_t at = 0;
    while ((at = input_.find(text)) == input_.npos) {
      if (!read_more()) return std::exchange(input_, "");
    }
    std::string out = input_.substr(0, at + text.size());
    input_.erase(0, out.size());
    return out;
  }

  std::string read_exactly(size_t size) {
    while (input_.size() < size && read_more()) continue;
    std::string out = input_.substr(0, size);
    input_.erase(0, out.size());
    return out;
  }

  std::string read_to_end() {
    while (read_more()) continue;
    return std::exchange(input_, "");
  }

  // One answer with a Content-Length: its head and body.
  std::string read_answer() {
    std::string out = read_until("\r\n\r\n");
    const size_t at = out.find("Content-Length: ");
    if (at != out.npos) out += read_exactly(std::strtoul(out.c_str() + at + 16, nullptr, 10));
    return out;
  }

  // Sends a request and reads its answer.
  std::string ask(std::string_view request) {
    send(request);
    return read_answer();
  }

  // True after read_to_end() if the connection ended with a reset.
  bool was_reset() const { return reset_; }

  void half_close() { ::shutdown(fd_, SHUT_WR); }

  // Leaves with a FIN.
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  // Leaves with a reset.
  void reset() {
    const linger hard{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close();
  }

 private:
  bool read_more() {
    char chunk[16384];
    const auto got = ssl_ ? SSL_read(ssl_.get(), chunk, sizeof chunk)
                          : static_cast<int>(::recv(fd_, chunk, sizeof chunk, 0));
    if (got <= 0) {
      reset_ = got < 0 && errno == ECONNRESET;
      return false;
    }
    input_.append(chunk, static_cast<size_t>(got));
    return true;
  }

  int fd_ = -1;
  bool connected_ = false;
  bool reset_ = false;
  std::string input_;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_{nullptr, &SSL_CTX_free};
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, &SSL_free};
};

// Looks until `condition` holds; false when it does not within 10 s.
inline bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 5000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return condition();
}

}  // namespace oag::testing
