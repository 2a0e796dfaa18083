// /healthz, /readyz, /progressz, /metrics and /openapi.json
#include "service/serve/endpoint.h"
#include "service/serve/respond.h"
#include "service/serve/service.h"

namespace oag {
namespace {

constexpr std::string_view kStatus =
    R"({"type":"object","required":["status"],"properties":{"status":{"type":"string"}}})";

void healthy(Service&, Call call) {
  respond_json(*call.exchange, {{"status", "ok"}});
}

// Names of models are for those who may use them.
void ready(Service& service, Call call) {
  const auto models = service.models().models();
  std::string why;
  if (service.draining())
    why = "draining";
  else if (models.empty())
    why = "no model is loaded";
  for (const auto& model : models) {
    if (model->admitted() < model->capacity()) continue;
    why = service.has_key(call.http) ? "the queue of \"" + model->name() + "\" is full" : "a queue is full";
  }
  if (why.empty())
    respond_json(*call.exchange, {{"status", "ready"}});
  else
    respond_json(*call.exchange, {{"status", why}}, 503);
}

// A picture is long in the tower, which gives way to answers, before that counts as no progress.
constexpr double kTowerPatience = 10;

// A process that lives and takes requests may still hang: this tells whether work that is there gets done, by
// the models, the towers and the request workers.
void progress(Service& service, Call call) {
  Json models = Json::array();
  const TimePoint now = Clock::now();
  const auto patience_ms = static_cast<double>(service.options().progress_timeout.count());
  const auto since = [&](const std::optional<TimePoint>& begin) {
    return begin ? elapsed_ms(*begin, now) : 0;
  };
  const double workers_ms = since(service.request_workers().busy_since());
  bool stuck = workers_ms > patience_ms;
  for (const auto& model : service.models().models()) {
    if (!model->generates()) continue;
    const LanguageModelStats stats = model->language_model().stats();
    double silent_ms = 0;
    if (stats.pending_since) silent_ms = elapsed_ms(std::max(*stats.pending_since, stats.last_step_end), now);
    const double picture_ms = model->sees() ? since(model->pictures().stats().begun) : 0;
    const bool hangs = silent_ms > patience_ms || picture_ms > kTowerPatience * patience_ms;
    stuck |= hangs;
    Json entry = {{"steps", stats.steps},
                  {"pending", stats.pending_since.has_value()},
                  {"silent_ms", silent_ms},
                  {"picture_ms", picture_ms},
                  {"stuck", hangs}};
    if (service.has_key(call.http)) entry["model"] = model->name();
    models.push_back(std::move(entry));
  }
  respond_json(
      *call.exchange,
      {{"status", stuck ? "stuck" : "ok"}, {"models", std::move(models)}, {"workers_ms", workers_ms}},
      stuck ? 503 : 200);
}

void version(Service&, Call call) {
  respond_json(*call.exchange, {{"version", Service::version()}});
}

void metrics(Service& service, Call call) {
  call.exchange->respond(200, {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}},
                         service.metrics().text(service.models().models(), service.network()));
}

void openapi(Service& service, Call call) {
  call.exchange->respond_json(200, service.openapi());
}

}  // namespace

extern constinit const Endpoint kHealth = {
    .method = "GET",
    .path = "/healthz",
    .operation = "healthz",
    .summary = "The process lives",
    .access = Access::kOpen,
    .answer = kStatus,
    .handle = healthy,
};
// vLLM's name for it, which its users' probes ask.
extern constinit const Endpoint kHealthAlias = {
    .method = "GET",
    .path = "/health",
    .operation = "health",
    .summary = "The process lives; the same as /healthz",
    .access = Access::kOpen,
    .answer = kStatus,
    .handle = healthy,
};
extern constinit const Endpoint kVersion = {
    .method = "GET",
    .path = "/version",
    .operation = "version",
    .summary = "The server's version",
    .access = Access::kOpen,
    .answer = R"({"type":"object","required":["version"],"properties":{"version":{"type":"string"}}})",
    .handle = version,
};
extern constinit const Endpoint kReady = {
    .method = "GET",
    .path = "/readyz",
    .operation = "readyz",
    .summary = "Models are loaded and the queue takes requests; 503 otherwise",
    .access = Access::kOpen,
    .answer = kStatus,
    .fails_alike = true,
    .handle = ready,
};
extern constinit const Endpoint kProgress = {
    .method = "GET",
    .path = "/progressz",
    .operation = "progressz",
    .summary = "Work that is there gets done; 503 where it hangs",
    .access = Access::kOpen,
    .answer = kStatus,
    .fails_alike = true,
    .handle = progress,
};
extern constinit const Endpoint kMetrics = {
    .method = "GET",
    .path = "/metrics",
    .operation = "metrics",
    .summary = "Figures for Prometheus",
    .access = Access::kOpen,
    .answer = R"({"type":"string"})",
    .media = "text/plain",
    .handle = metrics,
};
extern constinit const Endpoint kOpenApi = {
    .method = "GET",
    .path = "/openapi.json",
    .operation = "openapi",
    .summary = "This API's description",
    .access = Access::kOpen,
    .answer = R"({"type":"object"})",
    .handle = openapi,
};

}  // namespace oag
