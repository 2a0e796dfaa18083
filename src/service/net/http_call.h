#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "service/net/connection.h"
#include "service/net/url.h"

namespace oag {

struct HttpCall {
  Url url;
  std::vector<std::pair<std::string, std::string>> headers;  // besides those that every request carries
  std::string method = "GET";
  std::string body;  // sent with its length when it is not empty
  std::chrono::milliseconds connect_timeout{15'000};
  std::chrono::milliseconds stall_timeout{
      30'000};  // for the answer's head as a whole, then between two reads
  const std::atomic<bool>* cancel = nullptr;
};

struct HttpHead {
  int status = 0;
  std::string location;
  std::string etag;
  std::string content_range;
  std::string content_encoding;
  std::string retry_after;
  std::string link;        // all of them, joined by commas (RFC 8288)
  std::string error_code;  // X-Error-Code: a model hub's own word for what is wrong
  std::optional<uint64_t> content_length;
};

struct HttpCallResult {
  HttpHead head;  // status is 0 when no answer came
  NetFailure failure = NetFailure::kNone;
  std::string detail;  // of the failure, without addresses
};

// One request over one new connection, through the environment's proxy where there is one. `on_head` sees the
// final answer's head and says whether the body is wanted; `on_body` gets the body in pieces, already
// de-chunked. Both may throw. What the network does wrong is a value in the result.
HttpCallResult http_call(const HttpCall& request, const std::function<bool(const HttpHead&)>& on_head,
                         const std::function<void(std::span<const std::byte>)>& on_body);

}  // namespace oag
