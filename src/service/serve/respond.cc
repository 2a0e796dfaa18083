#include "service/serve/respond.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <random>

namespace oag {

std::string json_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void respond_json(HttpExchange& exchange, const Json& json, int status, const HttpHeaders& headers) {
  exchange.respond_json(status, json_line(json), headers);
}

// Header values hold no line breaks, and no more than a few warnings.
HttpHeaders warning_headers(std::span<const std::string> warnings) {
  constexpr size_t kMost = 8, kMostBytes = 1024;
  if (warnings.empty()) return {};
  const auto shown = warnings.first(std::min(kMost, warnings.size()));
  std::string text = fmt::format("{}", fmt::join(shown, "; "));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7F) c = '?';
  }
  return {{"X-OAG-Warning", text.substr(0, kMostBytes)}};
}

std::string random_id(std::string_view prefix) {
  std::random_device device;
  return fmt::format("{}-{:08x}{:08x}{:08x}", prefix, device(), device(), device());
}

HttpRefusal problem_answer(const ApiProblem& problem, std::string_view id) {
  HttpRefusal answer{
      problem.status,
      {{"Content-Type", "application/json"},
       {"X-Request-Id", id.empty() ? random_id("req") : std::string(id)}},
      json_line(problem_json(problem)),
      "error=" + problem.code + (problem.param.empty() ? "" : " param=" + problem.param.substr(0, 64))};
  if (problem.retry_after_s > 0)
    answer.headers.push_back({"Retry-After", std::to_string(problem.retry_after_s)});
  // OpenAI's clients try again after a 408; a deadline that has passed would only pass again.
  if (problem.status == 408) answer.headers.push_back({"x-should-retry", "false"});
  if (problem.status == 401) answer.headers.push_back({"WWW-Authenticate", "Bearer"});
  return answer;
}

void respond_problem(HttpExchange& exchange, const ApiProblem& problem, std::string_view id) {
  const HttpRefusal answer = problem_answer(problem, id);
  exchange.note(answer.note);
  exchange.respond(answer.status, answer.headers, answer.body);
}

}  // namespace oag
