#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "service/net/http_server.h"
#include "service/protocol/openai_decode.h"
#include "service/protocol/openapi.h"
#include "service/serve/byte_budget.h"

namespace oag {

class Service;

// One request on its way to its endpoint.
struct Call {
  HttpRequest http;
  std::shared_ptr<HttpExchange> exchange;
  std::string argument;                    // what stands in the path's braces
  std::unique_ptr<ByteBudget::Hold> held;  // for the body
  TimePoint arrival = Clock::now();
  std::shared_ptr<std::string> id = std::make_shared<std::string>();  // where the request has said its own
};

// Who may call an endpoint.
enum class Access {
  kOpen,   // everyone
  kKey,    // those with a key, where the server has keys
  kAdmin,  // those with an admin's key
};

// Where an endpoint runs.
enum class Lane {
  kLoop,    // the event loop: it is done at once
  kWorker,  // a request worker: it prepares, what takes long runs elsewhere
  kSlow,    // a thread of its own: it computes or loads until it is done
};

// A route, as a constant of a file in endpoints/. The table in endpoint_list.inc is what routes, and what
// /openapi.json is made of.
struct Endpoint {
  std::string_view method;
  std::string_view path;  // with at most one name in braces, the last part
  std::string_view operation;
  std::string_view summary;
  Access access = Access::kKey;
  Lane lane = Lane::kLoop;
  const FieldTable& (OpenAiDecoder::*fields)() const = nullptr;  // of a JSON body
  std::string_view body_schema = {};                             // the same where there is no table
  std::string_view answer = "{}";                                // JSON Schema
  std::string_view media = "application/json";
  bool streams = false;
  bool fails_alike = false;  // a 503 has the same form
  // An Error becomes the answer.
  void (*handle)(Service& service, Call call) = nullptr;
};

}  // namespace oag
