#include "service/serve/respond.h"

namespace oag {

std::string json_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void respond_json(HttpExchange& exchange, const Json& json, int status) {
  exchange.respond_json(status, json_line(json));
}

void respond_problem(HttpExchange& exchange, const ApiProblem& problem) {
  HttpHeaders headers;
  if (problem.retry_after_s > 0) headers.push_back({"Retry-After", std::to_string(problem.retry_after_s)});
  // OpenAI's clients try again after a 408; a deadline that has passed would only pass again.
  if (problem.status == 408) headers.push_back({"x-should-retry", "false"});
  if (problem.status == 401) headers.push_back({"WWW-Authenticate", "Bearer"});
  exchange.respond_json(problem.status, json_line(problem_json(problem)), headers);
}

}  // namespace oag
