#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "service/net/http_server.h"
#include "service/protocol/request_error.h"

namespace oag {

// A JSON document on one line. Bytes that are not UTF-8 become U+FFFD.
std::string json_line(const Json& json);

void respond_json(HttpExchange& exchange, const Json& json, int status = 200,
                  const HttpHeaders& headers = {});

// X-OAG-Warning, where there are warnings.
HttpHeaders warning_headers(std::span<const std::string> warnings);

// "prefix-…", a name that no other request has.
std::string random_id(std::string_view prefix);

// The error object, with Retry-After where the same may be taken later. `id` is the request's, for the header
// X-Request-Id; empty: one that is made up.
HttpRefusal problem_answer(const ApiProblem& problem, std::string_view id = {});
void respond_problem(HttpExchange& exchange, const ApiProblem& problem, std::string_view id = {});

}  // namespace oag
