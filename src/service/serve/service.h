#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "service/protocol/openai_decode.h"
#include "service/serve/deadline_watch.h"
#include "service/serve/endpoint.h"
#include "service/serve/live_answers.h"
#include "service/serve/model_host.h"
#include "service/serve/serve_metrics.h"
#include "service/serve/serve_options.h"
#include "service/serve/workers.h"

namespace oag {

// The model server: models, routes and the network, joined.
class Service {
 public:
  Service(const ServeOptions& options, std::shared_ptr<Runtime> runtime, ModelHost::Resolve resolve);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  static std::string_view version();

  // Loads every model, then opens the port. Errors: those of ModelHost::load_all and HttpServer.
  void start();
  std::string url() const;

  // Takes no new requests, waits for those at work as long as the options say, then ends them.
  void drain();

  const ServeOptions& options() const { return options_; }
  const OpenAiDecoder& decoder() const { return decoder_; }
  ModelHost& models() { return models_; }
  ServeMetrics& metrics() { return metrics_; }
  LiveAnswers& answers() { return answers_; }
  ByteBudget& held_bytes() { return held_bytes_; }
  Workers& encoder() { return encoder_; }
  DeadlineWatch& deadlines() { return deadlines_; }
  Workers& request_workers() { return *workers_; }
  const std::string& openapi() const { return openapi_; }
  HttpServerCounters network() const { return server_->counters(); }
  bool draining() const { return draining_.load(); }
  // Whether a request may use the models: it has a key, or none is asked for.
  bool has_key(const HttpRequest& request) const;

 private:
  std::optional<HttpRefusal> check_head(const HttpRequest& head) const;
  void route(HttpRequest request, std::shared_ptr<HttpExchange> exchange);
  void run(const Endpoint& endpoint, Call call);
  void check(const Endpoint& endpoint, const HttpRequest& request) const;
  void check_origin(const HttpRequest& request) const;
  void check_access(const Endpoint& endpoint, const HttpRequest& request) const;

  ServeOptions options_;
  OpenAiDecoder decoder_;
  ServeMetrics metrics_;
  ByteBudget held_bytes_;
  DeadlineWatch deadlines_;
  Workers encoder_;  // of answers that are sent as a whole
  LiveAnswers answers_;
  ModelHost models_;
  std::string openapi_;
  std::vector<std::string> key_digests_, admin_digests_;
  std::atomic<bool> draining_{false};
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<Workers> workers_, slow_workers_;  // they use everything above
};

}  // namespace oag
