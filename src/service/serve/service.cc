#include "service/serve/service.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "base/log.h"
#include "service/net/sha256.h"
#include "service/net/url.h"
#include "service/protocol/request_error.h"
#include "service/serve/browser_guard.h"
#include "service/serve/request_log.h"
#include "service/serve/respond.h"

#ifndef OAG_VERSION
#define OAG_VERSION "unknown"
#endif

namespace oag {

#define OAG_ENDPOINT(name) extern const Endpoint name;
#include "service/serve/endpoint_list.inc"
#undef OAG_ENDPOINT

namespace {

constexpr const Endpoint* kEndpoints[] = {
#define OAG_ENDPOINT(name) &name,
#include "service/serve/endpoint_list.inc"
#undef OAG_ENDPOINT
};

// Of calls that wait for a worker.
constexpr size_t kMostWaitingCalls = 4096;
constexpr size_t kMostWaitingBytes = size_t{512} << 20;

// In which clients read the errors that a server's end means for them.
constexpr std::chrono::milliseconds kLastWords{2'000};

// Whether `path` is the route's; what stands in its braces goes to `argument`.
bool matches(std::string_view route, std::string_view path, std::string& argument) {
  const size_t brace = route.find('{');
  if (brace == std::string_view::npos) return route == path;
  if (!path.starts_with(route.substr(0, brace)) || path.size() == brace) return false;
  argument = percent_decode(path.substr(brace));
  return true;
}

// Where a request goes.
struct Route {
  const Endpoint* endpoint = nullptr;
  std::string argument;
  std::string methods;  // that its address knows, where it knows others alone
};

Route find_route(const HttpRequest& request) {
  Route route;
  for (const Endpoint* endpoint : kEndpoints) {
    if (!matches(endpoint->path, request.path, route.argument)) continue;
    if (endpoint->method == request.method || (request.method == "HEAD" && endpoint->method == "GET")) {
      route.endpoint = endpoint;
      break;
    }
    route.methods += route.methods.empty() ? "" : ", ";
    route.methods += endpoint->method;
  }
  return route;
}

HttpRefusal no_endpoint(const Route& route) {
  const RequestError unknown(404, "not_found", "", "there is no such address; /openapi.json lists them");
  if (route.methods.empty()) return problem_answer(problem_of(unknown));
  const RequestError wrong(405, "method_not_allowed", "", "the method is not allowed here");
  HttpRefusal answer = problem_answer(problem_of(wrong));
  answer.headers.push_back({"Allow", route.methods});
  return answer;
}

std::string openapi_text(const OpenAiDecoder& decoder) {
  std::vector<RouteDescription> routes;
  for (const Endpoint* endpoint : kEndpoints) {
    RouteDescription route;
    route.method = endpoint->method;
    route.path = endpoint->path;
    route.operation = endpoint->operation;
    route.summary = endpoint->summary;
    if (endpoint->fields != nullptr) route.body = &(decoder.*endpoint->fields)();
    route.body_schema = endpoint->body_schema;
    route.fails_alike = endpoint->fails_alike;
    route.answer = endpoint->answer;
    route.media = endpoint->media;
    route.streams = endpoint->streams;
    route.open = endpoint->access == Access::kOpen;
    routes.push_back(route);
  }
  return json_line(openapi_document(routes, Service::version()));
}

std::vector<std::string> digests_of(const std::vector<std::string>& keys) {
  std::vector<std::string> digests;
  for (const std::string& key : keys) digests.push_back(sha256_hex(key));
  return digests;
}

// Every key is compared, in a time that says nothing about it.
bool holds(const std::vector<std::string>& digests, std::string_view key) {
  const std::string digest = sha256_hex(key);
  bool found = false;
  for (const std::string& one : digests)
    found |= CRYPTO_memcmp(one.data(), digest.data(), digest.size()) == 0;
  return found;
}

std::string_view bearer_key(const HttpRequest& request) {
  constexpr std::string_view kScheme = "Bearer ";
  const std::string* header = request.find_header("Authorization");
  if (header == nullptr || header->size() < kScheme.size()) return {};
  const std::string_view value(*header);
  const bool bearer = std::equal(kScheme.begin(), kScheme.end(), value.begin(), [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
  });
  return bearer ? value.substr(kScheme.size()) : std::string_view{};
}

void check_json(const HttpRequest& http) {
  const std::string* type = http.find_header("Content-Type");
  if (type != nullptr && is_json_type(*type)) return;
  throw RequestError(415, "unsupported_media_type", "",
                     "the body has to be JSON: send Content-Type: application/json");
}

void respond_full(HttpExchange& exchange, std::string_view message) {
  respond_problem(exchange, problem_of(RequestError(429, "queue_full", "", std::string(message))));
}

}  // namespace

Service::Service(const ServeOptions& options, std::shared_ptr<Runtime> runtime, ModelHost::Resolve resolve)
    : options_(options),
      decoder_(options.strict_fields),
      held_bytes_(std::max(options.max_held_bytes, options.http.max_body_bytes)),
      encoder_("oag-encoder", 1, SIZE_MAX, SIZE_MAX),
      models_(std::move(runtime), std::move(resolve), options.settings, options.memory_budget),
      openapi_(openapi_text(decoder_)),
      key_digests_(digests_of(options.api_keys)),
      admin_digests_(digests_of(options.admin_keys)),
      workers_(std::make_unique<Workers>("oag-requests", options.request_workers, kMostWaitingCalls,
                                         kMostWaitingBytes)),
      slow_workers_(std::make_unique<Workers>("oag-slow", 1, kMostWaitingCalls, kMostWaitingBytes)) {
  options_.api_keys.clear();
  options_.admin_keys.clear();
  options_.http.check_head = [this](const HttpRequest& head) { return check_head(head); };
  options_.http.on_end = log_request;
}

// No requests come, none are prepared, no answers are at work: in this order each stage has nobody before it.
Service::~Service() {
  if (server_) server_->stop();
  workers_.reset();
  slow_workers_.reset();
  answers_.end_all();
  answers_.wait_until_gone();
}

std::string_view Service::version() {
  return OAG_VERSION;
}

void Service::start() {
  // A port that is taken is found before minutes of loading.
  server_ = std::make_unique<HttpServer>(options_.http,
                                         [this](HttpRequest request, std::shared_ptr<HttpExchange> exchange) {
                                           route(std::move(request), std::move(exchange));
                                         });
  models_.load_all(options_.models);
  server_->start();
}

std::string Service::url() const {
  return fmt::format("{}://{}", server_->secure() ? "https" : "http", server_->address());
}

void Service::drain() {
  draining_ = true;
  server_->drain();
  if (!server_->wait_idle(Clock::now() + options_.drain_timeout)) {
    answers_.end_all();  // each with an error, which its client may still read
    server_->wait_idle(Clock::now() + kLastWords);
  }
  server_->stop();
}

// A page of another site may make a browser ask a server on its own machine under a name of that site's
// (DNS rebinding); where no key protects it, the name does.
void Service::check_origin(const HttpRequest& request) const {
  if (!key_digests_.empty() || !is_loopback_host(options_.http.host)) return;
  const auto name = foreign_name(request);
  if (!name) return;
  throw RequestError(
      403, "wrong_host", "",
      fmt::format("{} is no name of this server: on the loopback without a key it answers as localhost, "
                  "127.0.0.1 and [::1] alone, and no pages of other sites; ask for it by one of these, or "
                  "start it with --host and --api-key",
                  json_line(Json(std::string(name->substr(0, 128))))));
}

bool Service::has_key(const HttpRequest& request) const {
  return key_digests_.empty() || holds(key_digests_, bearer_key(request));
}

void Service::check_access(const Endpoint& endpoint, const HttpRequest& request) const {
  if (endpoint.access == Access::kOpen) return;
  const std::string_view key = bearer_key(request);
  if (endpoint.access == Access::kAdmin) {
    if (admin_digests_.empty())
      throw RequestError(403, "admin_disabled", "", "the server was started without --admin-key-file");
    if (!holds(admin_digests_, key))
      throw RequestError(401, "invalid_api_key", "",
                         "the admin's key is missing or wrong; send it as Authorization: Bearer KEY");
    return;
  }
  if (has_key(request)) return;
  throw RequestError(401, "invalid_api_key", "",
                     "the key is missing or wrong; send it as Authorization: Bearer KEY");
}

// What is wrong with a request, as far as its head tells.
void Service::check(const Endpoint& endpoint, const HttpRequest& request) const {
  check_origin(request);
  check_access(endpoint, request);
  if (endpoint.method == "POST") check_json(request);
  if (draining() && endpoint.access != Access::kOpen)
    throw RequestError(503, "shutting_down", "", "the server is ending and takes no more requests");
}

std::optional<HttpRefusal> Service::check_head(const HttpRequest& head) const {
  const Route route = find_route(head);
  if (route.endpoint == nullptr) return no_endpoint(route);
  try {
    check(*route.endpoint, head);
    return {};
  } catch (const Error& error) {
    return problem_answer(problem_of(error));
  }
}

void Service::route(HttpRequest request, std::shared_ptr<HttpExchange> exchange) {
  Route route = find_route(request);
  if (route.endpoint == nullptr) {
    const HttpRefusal answer = no_endpoint(route);
    exchange->note(answer.note);
    exchange->respond(answer.status, answer.headers, answer.body);
    return;
  }
  const Endpoint* endpoint = route.endpoint;
  Call call{std::move(request), std::move(exchange), std::move(route.argument)};
  if (endpoint->lane == Lane::kLoop) {
    run(*endpoint, std::move(call));
    return;
  }
  const size_t bytes = call.http.body.size();
  call.held = held_bytes_.take(bytes);
  if (!call.held) {
    metrics_.count_rejection("bytes_held");
    respond_full(*call.exchange, "requests at work hold too many bytes already; try again later");
    return;
  }
  const auto shared = std::make_shared<Call>(std::move(call));
  Workers& workers = endpoint->lane == Lane::kSlow ? *slow_workers_ : *workers_;
  if (!workers.submit(bytes, [this, endpoint, shared] { run(*endpoint, std::move(*shared)); })) {
    metrics_.count_rejection("workers_busy");
    respond_full(*shared->exchange, "too many requests wait already; try again later");
  }
}

void Service::run(const Endpoint& endpoint, Call call) {
  const std::shared_ptr<HttpExchange> exchange = call.exchange;
  const std::shared_ptr<const std::string> id = call.id;
  try {
    check(endpoint, call.http);
    if (exchange->gone()) {
      metrics_.count_disconnect();
      return;
    }
    endpoint.handle(*this, std::move(call));
  } catch (const Error& error) {
    const ApiProblem problem = problem_of(error);
    if (problem.status >= 500 && !draining())
      log(LogLevel::kWarning, "{}: {}", endpoint.path, problem.message);
    respond_problem(*exchange, problem, *id);
  } catch (const std::exception& error) {
    log(LogLevel::kError, "{}: {}", endpoint.path, error.what());
    respond_problem(*exchange, internal_problem(), *id);
  }
}

}  // namespace oag
