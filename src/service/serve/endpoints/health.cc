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

void metrics(Service& service, Call call) {
  call.exchange->respond(200, {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}},
                         service.metrics().text(service.models().models(), service.network()));
}

void openapi(Service& service, Call call) {
  call.exchange->respond_json(200, service.openapi());
}

}  // namespace

extern constinit const Endpoint kHealth = {"GET",         "/healthz",         "healthz", "The process lives",
                                           Access::kOpen, Lane::kLoop,        nullptr,   {},
                                           kStatus,       "application/json", false,     false,
                                           healthy};
extern constinit const Endpoint kReady = {
    "GET",         "/readyz",
    "readyz",      "Models are loaded and the queue takes requests; 503 otherwise",
    Access::kOpen, Lane::kLoop,
    nullptr,       {},
    kStatus,       "application/json",
    false,         true,
    ready};
extern constinit const Endpoint kProgress = {
    "GET",         "/progressz",       "progressz", "Work that is there gets done; 503 where it hangs",
    Access::kOpen, Lane::kLoop,        nullptr,     {},
    kStatus,       "application/json", false,       true,
    progress};
extern constinit const Endpoint kMetrics = {
    "GET",       "/metrics", "metrics", "Figures for Prometheus", Access::kOpen,
    Lane::kLoop, nullptr,    {},        R"({"type":"string"})",   "text/plain",
    false,       false,      metrics};
extern constinit const Endpoint kOpenApi = {
    "GET",       "/openapi.json", "openapi", "This API's description", Access::kOpen,
    Lane::kLoop, nullptr,         {},        R"({"type":"object"})",   "application/json",
    false,       false,           openapi};

}  // namespace oag
