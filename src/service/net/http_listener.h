#pragma once

#include <cstdint>
#include <string>

namespace oag {

// A bound TCP socket that does not listen yet. Closed with the object.
class HttpListener {
 public:
  // `host` is a name or an address; "", "*" and "::" are all interfaces of both families. Port 0: a free one.
  // Errors in one line: kNetwork (unknown host), kIo (address in use, not allowed, not of this machine).
  HttpListener(const std::string& host, uint16_t port);
  ~HttpListener();
  HttpListener(const HttpListener&) = delete;
  HttpListener& operator=(const HttpListener&) = delete;

  // Errors: kIo.
  void listen(int backlog);

  // A connected socket (not blocking), and the client's address without its port; -1 and errno if there is
  // none.
  int accept(std::string& peer) const;

  int fd() const { return fd_; }
  uint16_t port() const { return port_; }
  const std::string& address() const { return address_; }  // "127.0.0.1:8000"
  void close();

 private:
  int fd_ = -1;
  uint16_t port_ = 0;
  std::string address_;
};

}  // namespace oag
