#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "llm/generate/generation.h"
#include "service/net/http_server.h"
#include "service/serve/served_model.h"

namespace oag {

// What /metrics shows, in Prometheus' text format. Thread safe.
class ServeMetrics {
 public:
  ServeMetrics();
  ~ServeMetrics();
  ServeMetrics(const ServeMetrics&) = delete;
  ServeMetrics& operator=(const ServeMetrics&) = delete;

  void observe_first(double milliseconds);  // from a request's arrival to its first token
  void observe_gap(double milliseconds);    // between two tokens of an answer
  void observe_end(const std::string& model, const GenerationResult& result);
  void count_rejection(std::string_view reason);
  void count_disconnect();

  // With what the models and the network say of themselves at this moment.
  std::string text(const std::vector<std::shared_ptr<ServedModel>>& models,
                   const HttpServerCounters& network) const;

 private:
  struct Registry;
  std::unique_ptr<Registry> registry_;
};

}  // namespace oag
