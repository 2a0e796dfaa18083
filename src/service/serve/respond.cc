#include "service/serve/respond.h"

namespace oag {

std::string json_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void respond_json(HttpExchange& exchange, const Json& json, int status) {
  exchange.respond_json(status, json_line(json));
}

HttpRefusal problem_answer(const ApiProblem& problem) {
  HttpRefusal answer{
      problem.status, {{"Content-Type", "application/json"}}, json_line(problem_json(problem))};
  if (problem.retry_after_s > 0)
    answer.headers.push_back({"Retry-After", std::to_string(problem.retry_after_s)});
  // OpenAI's clients try again after a 408; a deadline that has passed would only pass again.
  if (problem.status == 408) answer.headers.push_back({"x-should-retry", "false"});
  if (problem.status == 401) answer.headers.push_back({"WWW-Authenticate", "Bearer"});
  return answer;
}

void respond_problem(HttpExchange& exchange, const ApiProblem& problem) {
  const HttpRefusal answer = problem_answer(problem);
  exchange.respond(answer.status, answer.headers, answer.body);
}

}  // namespace oag
