#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace oag::testing {

// One accepted connection; a handler says on it whatever a good or bad server would.
class TestPeer {
 public:
  TestPeer(int fd, SSL* ssl, const std::atomic<bool>& stop) : fd_(fd), ssl_(ssl), stop_(stop) {}

  void send(std::string_view text) {
    while (!text.empty()) {
      const auto put = ssl_ != nullptr
                           ? SSL_write(ssl_, text.data(), static_cast<int>(text.size()))
                           : static_cast<int>(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL));
      if (put <= 0) return;
      text.remove_prefix(static_cast<size_t>(put));
    }
  }

  // Says nothing until the client hangs up.
  void stall() {
    while (!stop_) {
      pollfd poller{fd_, POLLIN, 0};
      char byte = 0;
      if (::poll(&poller, 1, 20) > 0 && ::recv(fd_, &byte, 1, 0) <= 0) return;
    }
  }

  // Ends the connection at once, without a TLS shutdown.
  void cut() {
    if (ssl_ != nullptr) SSL_set_quiet_shutdown(ssl_, 1);
    ::shutdown(fd_, SHUT_RDWR);
  }

  // Becomes a tunnel to a port of this machine, until one side hangs up.
  void tunnel_to(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    const int other = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool open = other >= 0 && ::connect(other, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    while (open && !stop_) {
      pollfd pollers[2] = {{fd_, POLLIN, 0}, {other, POLLIN, 0}};
      ::poll(pollers, 2, 20);
      for (int i = 0; i < 2; ++i) {
        if (pollers[i].revents == 0) continue;
        char chunk[16384];
        const ssize_t got = ::recv(pollers[i].fd, chunk, sizeof chunk, 0);
        open = open && got > 0 &&
               ::send(pollers[1 - i].fd, chunk, static_cast<size_t>(got), MSG_NOSIGNAL) == got;
      }
    }
    ::close(other);
  }

  // Reads up to the empty line; "" when the client leaves first.
  std::string read_head() {
    std::string head;
    char byte = 0;
    while (!head.ends_with("\r\n\r\n")) {
      const auto got =
          ssl_ != nullptr ? SSL_read(ssl_, &byte, 1) : static_cast<int>(::recv(fd_, &byte, 1, 0));
      if (got <= 0) return "";
      head += byte;
    }
    return head;
  }

 private:
  int fd_;
  SSL* ssl_;
  const std::atomic<bool>& stop_;
};

// A self-signed certificate for 127.0.0.1 (or another name), valid for a day.
struct TestCertificate {
  explicit TestCertificate(const std::string& subject_alt_name = "IP:127.0.0.1")
      : key(EVP_EC_gen("P-256"), &EVP_PKEY_free), certificate(X509_new(), &X509_free) {
    X509* cert = certificate.get();
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key.get());
    X509_NAME* name = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1,
                               -1, 0);
    X509_set_issuer_name(cert, name);
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, cert, cert, nullptr, nullptr, 0);
    for (const auto& [nid, value] : {std::pair{NID_subject_alt_name, subject_alt_name},
                                     std::pair{NID_basic_constraints, std::string("critical,CA:TRUE")}}) {
      X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
      X509_add_ext(cert, extension, -1);
      X509_EXTENSION_free(extension);
    }
    X509_sign(cert, key.get(), EVP_sha256());
  }

  void write_pem(const std::string& path) const {
    const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "w"), &std::fclose);
    if (file == nullptr) throw std::runtime_error("cannot write " + path);
    PEM_write_X509(file.get(), certificate.get());
  }

  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key;
  std::unique_ptr<X509, decltype(&X509_free)> certificate;
};

// Serves 127.0.0.1 on a free port, one connection after the other, or each on a thread of its own
// (`parallel`; the handler must bear it). The handler gets each request's head.
class HttpTestServer {
 public:
  using Handler = std::function<void(TestPeer&, const std::string& head)>;

  explicit HttpTestServer(Handler handler, const TestCertificate* certificate = nullptr,
                          bool parallel = false)
      : handler_(std::move(handler)), parallel_(parallel), tls_(nullptr, &SSL_CTX_free) {
    std::signal(SIGPIPE, SIG_IGN);  // SSL_write to a client that left
    if (certificate != nullptr) {
      tls_.reset(SSL_CTX_new(TLS_server_method()));
      SSL_CTX_use_certificate(tls_.get(), certificate->certificate.get());
      SSL_CTX_use_PrivateKey(tls_.get(), certificate->key.get());
    }
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 16), 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }

  ~HttpTestServer() {
    stop_ = true;
    thread_.join();
    for (std::thread& talk : talks_) talk.join();
    ::close(listener_);
  }

  uint16_t port() const { return port_; }

  std::string url(const std::string& target) const {
    return (tls_ ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port_) + target;
  }

  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void serve() {
    while (!stop_) {
      pollfd poller{listener_, POLLIN, 0};
      if (::poll(&poller, 1, 20) <= 0) continue;
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      // No test waits longer than this for a client that says nothing.
      const timeval patience{5, 0};
      ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      if (parallel_) {
        talks_.emplace_back([this, fd] { talk_and_close(fd); });
      } else {
        talk_and_close(fd);
      }
    }
  }

  void talk_and_close(int fd) {
    talk(fd);
    ::close(fd);
  }

  void talk(int fd) {
    const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(tls_ ? SSL_new(tls_.get()) : nullptr, &SSL_free);
    if (ssl) {
      SSL_set_fd(ssl.get(), fd);
      if (SSL_accept(ssl.get()) != 1) return;
    }
    TestPeer peer(fd, ssl.get(), stop_);
    const std::string head = peer.read_head();
    if (head.empty()) return;
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(head);
    }
    handler_(peer, head);
    if (ssl) SSL_shutdown(ssl.get());
  }

  Handler handler_;
  const bool parallel_;
  std::vector<std::thread> talks_;  // touched by thread_ alone until it ends
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> tls_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

}  // namespace oag::testing
