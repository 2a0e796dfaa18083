#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/json.h"

namespace oag {

// How a request failed, in the terms of HTTP and of OpenAI's error object.
struct ApiProblem {
  int status = 500;
  std::string type;       // "invalid_request_error", "authentication_error", …
  std::string param;      // the field of the request that is wrong; often empty
  std::string code;       // a word for programs: "context_length_exceeded", "unknown_parameter", …
  std::string message;    // one line for people
  int retry_after_s = 0;  // of a refusal that passes; 0: none
};

// Bad input that has a code of its own. Every other Error becomes a problem by its kind, see problem_of.
class RequestError : public Error {
 public:
  RequestError(int status, std::string_view code, std::string_view param, std::string message);

  int status() const { return status_; }
  const std::string& request_code() const { return code_; }

 private:
  int status_;
  std::string code_;
};

// Throws a RequestError of status 400 with a formatted message.
template <typename... Args>
[[noreturn]] void reject(std::string_view code, std::string_view param, fmt::format_string<Args...> format,
                         Args&&... args) {
  throw RequestError(400, code, param, fmt::format(format, std::forward<Args>(args)...));
}

// What a client is told of `error`: bad input is its own fault (4xx), a full queue is 429, what failed here
// is a 5xx.
ApiProblem problem_of(const Error& error);
// For what is no Error: "internal error" and nothing of its text, which may hold anything.
ApiProblem internal_problem();

// {"error": {message, type, param, code}}
Json problem_json(const ApiProblem& problem);

}  // namespace oag
