#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "service/net/http_exchange.h"

namespace boost::asio {
class io_context;
namespace ssl {
class context;
}
}  // namespace boost::asio

namespace oag {

class HttpConnection;

// One event loop's part of a server; touched on that loop's thread alone, but for the mailbox.
struct HttpLoop {
  boost::asio::io_context& io;
  boost::asio::ssl::context* tls = nullptr;  // null: plain HTTP
  std::shared_ptr<HttpServerCore> core;
  std::shared_ptr<HttpMailbox> mailbox;
  std::unordered_map<HttpConnection*, std::shared_ptr<HttpConnection>> connections;  // until they are closed
  bool stopped = false;  // no connection is taken any more
};

// A client's connection. Every method is for the loop's thread. The loop keeps it until it is closed.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  virtual ~HttpConnection() = default;

  // Sends what the exchange has for it.
  virtual void pump() = 0;

  // Closes if it waits for a request.
  virtual void drain() = 0;

  virtual void close() = 0;
};

// Serves the connected socket `fd`, which it owns from then on. `refuse`: there are too many; it gets a 503.
void serve_connection(HttpLoop& loop, int fd, std::string peer, bool refuse);

}  // namespace oag
