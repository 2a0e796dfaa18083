#pragma once

#include <string>

#include "base/json.h"
#include "service/net/http_server.h"
#include "service/protocol/request_error.h"

namespace oag {

// A JSON document on one line. Bytes that are not UTF-8 become U+FFFD.
std::string json_line(const Json& json);

void respond_json(HttpExchange& exchange, const Json& json, int status = 200);

// The error object, with Retry-After where the same may be taken later.
// The same, for one whose body is not read.
HttpRefusal problem_answer(const ApiProblem& problem);

void respond_problem(HttpExchange& exchange, const ApiProblem& problem);

}  // namespace oag
