#include "service/protocol/request_error.h"

namespace oag {
namespace {

std::string_view type_of_status(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 429: return "rate_limit_error";
    case 503: return "service_unavailable_error";
    default: return status < 500 ? "invalid_request_error" : "server_error";
  }
}

struct Outcome {
  int status;
  std::string_view code;
};

Outcome outcome_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return {400, "invalid_value"};
    case ErrorCode::kCorruptData: return {400, "invalid_data"};
    case ErrorCode::kUnsupported: return {400, "unsupported_value"};
    case ErrorCode::kNotFound: return {404, "not_found"};
    case ErrorCode::kBusy: return {429, "queue_full"};
    case ErrorCode::kOutOfMemory: return {503, "out_of_memory"};
    case ErrorCode::kCancelled: return {503, "shutting_down"};
    case ErrorCode::kDeadlineExceeded: return {408, "deadline_exceeded"};
    case ErrorCode::kIo:
    case ErrorCode::kNetwork:
    case ErrorCode::kInternal: break;
  }
  return {500, "internal_error"};
}

}  // namespace

RequestError::RequestError(int status, std::string_view code, std::string_view param, std::string message)
    : Error(ErrorCode::kInvalidArgument, std::string(param), std::move(message)),
      status_(status),
      code_(code) {}

ApiProblem problem_of(const Error& error) {
  ApiProblem problem;
  problem.param = error.where();
  problem.message = error.where().empty() ? error.message() : error.what();
  if (const auto* request = dynamic_cast<const RequestError*>(&error)) {
    problem.status = request->status();
    problem.code = request->request_code();
  } else {
    const Outcome outcome = outcome_of(error.code());
    problem.status = outcome.status;
    problem.code = outcome.code;
  }
  problem.type = type_of_status(problem.status);
  if (problem.status == 429 || problem.status == 503) problem.retry_after_s = 1;
  return problem;
}

ApiProblem internal_problem() {
  return {500, "server_error", "", "internal_error", "the server failed; its log says more", 0};
}

Json problem_json(const ApiProblem& problem) {
  return {{"error",
           {{"message", problem.message},
            {"type", problem.type},
            {"param", problem.param.empty() ? Json(nullptr) : Json(problem.param)},
            {"code", problem.code}}}};
}

}  // namespace oag
