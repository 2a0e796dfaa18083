#pragma once

#include <span>
#include <string_view>

#include "service/protocol/field.h"

namespace oag {

// What a description of an API says of one route.
struct RouteDescription {
  std::string_view method;     // "GET"
  std::string_view path;       // "/v1/models/{model}"
  std::string_view operation;  // "createChatCompletion"
  std::string_view summary;
  const FieldTable* body = nullptr;             // of a request in JSON
  std::string_view body_schema = {};            // the same where there is no table
  std::string_view answer = "{}";               // JSON Schema of a good answer in JSON
  std::string_view media = "application/json";  // of a good answer
  bool streams = false;                         // may also answer with server-sent events
  bool fails_alike = false;                     // a 503 has the same form
  bool open = false;                            // needs no key
};

// The OpenAPI 3.1 document of these routes.
Json openapi_document(std::span<const RouteDescription> routes, std::string_view version);

}  // namespace oag
