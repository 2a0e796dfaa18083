#include "service/net/http_listener.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/error.h"

namespace oag {
namespace {

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

std::string text_of(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET6) {
    const in6_addr& v6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {  // an IPv4 client of a socket for both families
      ::inet_ntop(AF_INET, v6.s6_addr + 12, text, sizeof text);
    } else {
      ::inet_ntop(AF_INET6, &v6, text, sizeof text);
    }
  } else {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof text);
  }
  return text;
}

std::string bare_host(const std::string& host) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') return host.substr(1, host.size() - 2);
  return host == "*" ? "" : host;
}

AddressList look_up(const std::string& host, const std::string& where) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.empty() ? nullptr : host.c_str(), "0", &hints, &list);
  if (error != 0) fail(ErrorCode::kNetwork, where, "unknown host: {}", ::gai_strerror(error));
  return {list, &::freeaddrinfo};
}

void set_option(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof value);
}

// A bound socket, or -1 and errno.
int bind_to(const addrinfo& entry, uint16_t port) {
  sockaddr_storage address{};
  std::memcpy(&address, entry.ai_addr, entry.ai_addrlen);
  if (entry.ai_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6&>(address).sin6_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in&>(address).sin_port = htons(port);
  }
  const int fd = ::socket(entry.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  // Connections of an earlier run that still wait for stray packets do not keep a port from being taken. A
  // free port must not be one that somebody shares, so there it is set afterwards, for those who take it
  // next.
  if (port != 0) set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (entry.ai_family == AF_INET6) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), entry.ai_addrlen) == 0) {
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    return fd;
  }
  const int reason = errno;
  ::close(fd);
  errno = reason;
  return -1;
}

[[noreturn]] void fail_to_listen(const std::string& where, int reason) {
  switch (reason) {
    case EADDRINUSE: fail(ErrorCode::kIo, where, "cannot listen: the address is in use; choose another port");
    case EACCES: fail(ErrorCode::kIo, where, "cannot listen: no permission; choose a port from 1024 upwards");
    case EADDRNOTAVAIL: fail(ErrorCode::kIo, where, "cannot listen: the address is not one of this machine");
    default: fail(ErrorCode::kIo, where, "cannot listen: {}", std::strerror(reason));
  }
}

}  // namespace

HttpListener::HttpListener(const std::string& host, uint16_t port) {
  const std::string bare = bare_host(host);
  const std::string shown = bare.find(':') == bare.npos ? (bare.empty() ? "*" : bare) : "[" + bare + "]";
  const std::string where = fmt::format("{}:{}", shown, port);
  const AddressList list = look_up(bare, where);
  // All interfaces: IPv6's "any" takes both families. A name such as localhost: clients try IPv4 first.
  const int first_family = bare.empty() ? AF_INET6 : AF_INET;
  int reason = EADDRNOTAVAIL;
  for (const bool preferred : {true, false}) {
    for (const addrinfo* entry = list.get(); entry != nullptr && fd_ < 0; entry = entry->ai_next) {
      if ((entry->ai_family == first_family) != preferred) continue;
      if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6) continue;
      fd_ = bind_to(*entry, port);
      if (fd_ < 0) reason = errno;
      if (fd_ < 0 && reason == EADDRINUSE) fail_to_listen(where, reason);
    }
  }
  if (fd_ < 0) fail_to_listen(where, reason);
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  ::getsockname(fd_, reinterpret_cast<sockaddr*>(&name), &size);
  const bool is_v6 = name.ss_family == AF_INET6;
  port_ = ntohs(is_v6 ? reinterpret_cast<sockaddr_in6&>(name).sin6_port
                      : reinterpret_cast<sockaddr_in&>(name).sin_port);
  address_ = fmt::format("{}{}{}:{}", is_v6 ? "[" : "", text_of(name), is_v6 ? "]" : "", port_);
}

HttpListener::~HttpListener() {
  close();
}

void HttpListener::listen(int backlog) {
  if (::listen(fd_, backlog) != 0) fail_to_listen(address_, errno);
}

int HttpListener::accept(std::string& peer) const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  const int fd = ::accept4(fd_, reinterpret_cast<sockaddr*>(&address), &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return -1;
  peer = text_of(address);
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  // A client whose machine has vanished sends no FIN: while it only waits, the kernel has to ask.
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 60'000);
  return fd;
}

void HttpListener::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace oag
