#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "service/net/http_request.h"

namespace oag {

struct HttpReaderLimits {
  size_t max_head_bytes = size_t{32} << 10;
  size_t max_target_bytes = size_t{8} << 10;
  size_t max_headers = 128;
  size_t max_body_bytes = size_t{64} << 20;
};

// Why a request is refused by the server itself: what the answer says. The connection cannot go on after it.
struct HttpProblem {
  int status = 0;
  std::string code;
  std::string message;
};

// Turns the bytes of a connection into requests. It refuses what RFC 9112 lets a server refuse, wherever two
// readers could disagree about where a request ends: both or several lengths, bare line feeds, folded
// headers, control characters. No input makes it throw or hold more than the limits allow.
class HttpRequestReader {
 public:
  enum class Step {
    kNeedMore,  // bytes are missing
    kHead,      // the head is complete and a body follows; once a request
    kRequest,   // take() gives a request
    kProblem,   // problem() says what is wrong; the reader stays there
  };

  explicit HttpRequestReader(const HttpReaderLimits& limits);
  ~HttpRequestReader();

  // Adds bytes that have arrived.
  void feed(std::string_view bytes);

  // Reads on in what has arrived.
  Step advance();

  // After kHead and until take(): the request, whose body may be missing.
  const HttpRequest& head() const;

  // The request that advance() has completed, without `peer`.
  HttpRequest take();

  const HttpProblem& problem() const;

  // Nothing of the next request has arrived.
  bool idle() const;

  // After kHead: the client waits for "100 Continue" before it sends the body, none of which has arrived.
  bool awaits_continue() const;

  // Fed and not read yet.
  size_t buffered_bytes() const;

  // Of the body that is being read.
  size_t body_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace oag
