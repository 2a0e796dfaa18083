#include "service/serve/serve_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "llm/generate/language_model.h"

namespace oag {
namespace {

namespace prom = prometheus;

// OpenTelemetry's buckets for generative models, in seconds.
const prom::Histogram::BucketBoundaries kFirstToken = {.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,
                                                       .75,  1,    2.5, 5,   7.5, 10,  30,  60, 120, 300};
const prom::Histogram::BucketBoundaries kNextToken = {.001, .0025, .005, .01, .025, .05, .075, .1,
                                                      .15,  .2,    .3,   .4,  .5,   .75, 1,    2.5};

// Families whose values are read when they are asked for.
class Snapshot {
 public:
  void add(prom::MetricType type, const char* name, const char* help, double value,
           const std::string& value_of_label = "", const char* label = "model") {
    if (families_.empty() || families_.back().name != name) {
      families_.emplace_back();
      families_.back().name = name;
      families_.back().help = help;
      families_.back().type = type;
    }
    prom::ClientMetric metric;
    if (!value_of_label.empty()) metric.label = {{label, value_of_label}};
    (type == prom::MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    families_.back().metric.push_back(std::move(metric));
  }
  const std::vector<prom::MetricFamily>& families() const { return families_; }

 private:
  std::vector<prom::MetricFamily> families_;
};

struct ModelFigure {
  prom::MetricType type;
  const char* name;
  const char* help;
  double (*read)(const LanguageModelStats& stats);
};

constexpr auto kGauge = prom::MetricType::Gauge;
constexpr auto kCounter = prom::MetricType::Counter;
constexpr ModelFigure kModelFigures[] = {
    {kGauge, "oag_requests_waiting", "Answers that wait for a place",
     [](const LanguageModelStats& s) { return double(s.waiting); }},
    {kGauge, "oag_requests_running", "Answers at work",
     [](const LanguageModelStats& s) { return double(s.running); }},
    {kGauge, "oag_kv_pages", "Pages of the KV cache",
     [](const LanguageModelStats& s) { return double(s.pages_total); }},
    {kGauge, "oag_kv_pages_free", "Pages that hold nothing",
     [](const LanguageModelStats& s) { return double(s.pages_free); }},
    {kGauge, "oag_kv_pages_cached", "Pages kept for prefixes and used by nobody now",
     [](const LanguageModelStats& s) { return double(s.pages_cached); }},
    {kGauge, "oag_kv_usage_ratio", "Pages in use, of all",
     [](const LanguageModelStats& s) {
       return double(s.pages_total - s.pages_free - s.pages_cached) /
              double(std::max<int64_t>(1, s.pages_total));
     }},
    {kCounter, "oag_prefix_queries_tokens_total", "Prompt tokens looked for in the prefix cache",
     [](const LanguageModelStats& s) { return double(s.prefix_queries); }},
    {kCounter, "oag_prefix_hits_tokens_total", "Of these, found",
     [](const LanguageModelStats& s) { return double(s.prefix_hits); }},
    {kCounter, "oag_prompt_tokens_total", "Tokens of prompts",
     [](const LanguageModelStats& s) { return double(s.prompt_tokens); }},
    {kCounter, "oag_computed_tokens_total", "Tokens that went through the model",
     [](const LanguageModelStats& s) { return double(s.computed_tokens); }},
    {kCounter, "oag_generated_tokens_total", "Tokens of answers",
     [](const LanguageModelStats& s) { return double(s.generated_tokens); }},
    {kCounter, "oag_preemptions_total", "Answers that gave their pages back and were computed again",
     [](const LanguageModelStats& s) { return double(s.preemptions); }},
    {kCounter, "oag_answers_started_total", "Answers that began to wait for a place",
     [](const LanguageModelStats& s) { return double(s.submitted); }},
    {kCounter, "oag_answers_total", "Answers that ended, however",
     [](const LanguageModelStats& s) { return double(s.finished); }},
    {kCounter, "oag_answers_cancelled_total", "Of these, cancelled",
     [](const LanguageModelStats& s) { return double(s.cancellations); }},
    {kCounter, "oag_answers_failed_total", "Of these, failed",
     [](const LanguageModelStats& s) { return double(s.failures); }},
    {kCounter, "oag_steps_total", "Steps of the scheduler",
     [](const LanguageModelStats& s) { return double(s.steps); }},
};

void add_network(Snapshot& snapshot, const HttpServerCounters& network) {
  snapshot.add(kGauge, "oag_http_connections", "Open connections", double(network.open_connections));
  snapshot.add(kCounter, "oag_http_requests_total", "Requests that came in whole", double(network.requests));
  for (const auto& [status, count] : network.answers) {
    snapshot.add(kCounter, "oag_http_responses_total", "Answers by their status", double(count),
                 std::to_string(status), "status");
  }
  snapshot.add(kCounter, "oag_http_malformed_total", "Requests that broke the protocol or a limit",
               double(network.malformed));
  snapshot.add(kCounter, "oag_http_turned_away_total",
               "Requests whose key, address or method was refused before their body was read",
               double(network.turned_away));
  snapshot.add(kCounter, "oag_http_timed_out_total", "Requests that did not come in time",
               double(network.timed_out));
  snapshot.add(kCounter, "oag_http_gone_total", "Clients that left before their answer's end",
               double(network.gone));
  snapshot.add(kCounter, "oag_http_cut_total", "Clients that did not read", double(network.cut));
  snapshot.add(kCounter, "oag_http_refused_total", "Connections beyond the limit", double(network.refused));
  snapshot.add(kCounter, "oag_http_received_bytes_total", "Bytes received", double(network.received_bytes));
  snapshot.add(kCounter, "oag_http_sent_bytes_total", "Bytes sent", double(network.sent_bytes));
}

void add_pictures(Snapshot& snapshot, const std::vector<std::shared_ptr<ServedModel>>& models) {
  const auto each = [&](prom::MetricType type, const char* name, const char* help, auto read) {
    for (const auto& model : models) {
      if (model->sees())
        snapshot.add(type, name, help, double(read(model->pictures().stats())), model->name());
    }
  };
  each(kGauge, "oag_pictures_waiting", "Requests whose pictures wait for the tower",
       [](const auto& s) { return s.waiting; });
  each(kCounter, "oag_pictures_cached_total", "Pictures whose rows were known",
       [](const auto& s) { return s.hits; });
  each(kCounter, "oag_pictures_computed_total", "Pictures that the tower worked on",
       [](const auto& s) { return s.misses; });
}

}  // namespace

struct ServeMetrics::Registry {
  prom::Registry registry;
  prom::Histogram& first_token = prom::BuildHistogram()
                                     .Name("oag_time_to_first_token_seconds")
                                     .Help("From a request's arrival to its first token, pictures included")
                                     .Register(registry)
                                     .Add({}, kFirstToken);
  prom::Histogram& next_token = prom::BuildHistogram()
                                    .Name("oag_inter_token_seconds")
                                    .Help("Between two tokens of an answer")
                                    .Register(registry)
                                    .Add({}, kNextToken);
  prom::Histogram& queue =
      prom::BuildHistogram()
          .Name("oag_queue_seconds")
          .Help("From a request's submission to its admission, or to its end where it only waited")
          .Register(registry)
          .Add({}, kFirstToken);
  prom::Family<prom::Counter>& rejections = prom::BuildCounter()
                                                .Name("oag_rejections_total")
                                                .Help("Requests refused for lack of room")
                                                .Register(registry);
  prom::Family<prom::Counter>& endings =
      prom::BuildCounter().Name("oag_finish_reasons_total").Help("How answers ended").Register(registry);
  prom::Counter& disconnects = prom::BuildCounter()
                                   .Name("oag_disconnects_total")
                                   .Help("Requests that waited or were at work, whose client left")
                                   .Register(registry)
                                   .Add({});
};

ServeMetrics::ServeMetrics() : registry_(std::make_unique<Registry>()) {}
ServeMetrics::~ServeMetrics() = default;

void ServeMetrics::observe_gap(double milliseconds) {
  registry_->next_token.Observe(milliseconds / 1000);
}

void ServeMetrics::observe_first(double milliseconds) {
  registry_->first_token.Observe(milliseconds / 1000);
}

void ServeMetrics::observe_end(const std::string& model, const GenerationResult& result) {
  registry_->queue.Observe(result.queue_ms / 1000);
  registry_->endings
      .Add({{"model", model}, {"reason", std::string(finish_reason_name(result.finish_reason))}})
      .Increment();
}

void ServeMetrics::count_rejection(std::string_view reason) {
  registry_->rejections.Add({{"reason", std::string(reason)}}).Increment();
}

void ServeMetrics::count_disconnect() {
  registry_->disconnects.Increment();
}

std::string ServeMetrics::text(const std::vector<std::shared_ptr<ServedModel>>& models,
                               const HttpServerCounters& network) const {
  Snapshot snapshot;
  std::vector<std::pair<const ServedModel*, LanguageModelStats>> stats;
  for (const auto& model : models) {
    if (model->generates()) stats.emplace_back(model.get(), model->language_model().stats());
  }
  for (const ModelFigure& figure : kModelFigures) {
    for (const auto& [model, figures] : stats)
      snapshot.add(figure.type, figure.name, figure.help, figure.read(figures), model->name());
  }
  for (const auto& [model, figures] : stats) {
    snapshot.add(kGauge, "oag_fallback_operators", "Operators that run on the reference kernel",
                 static_cast<double>(model->fallback_operators()), model->name());
  }
  add_pictures(snapshot, models);
  add_network(snapshot, network);
  std::vector<prom::MetricFamily> families = registry_->registry.Collect();
  families.insert(families.end(), snapshot.families().begin(), snapshot.families().end());
  return prom::TextSerializer().Serialize(families);
}

}  // namespace oag
