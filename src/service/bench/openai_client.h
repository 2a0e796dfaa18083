#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "service/net/url.h"

namespace oag {

// The counts that a server gives with an answer.
struct TokenUsage {
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
  int64_t cached_tokens = 0;  // of the prompt, found in the server's cache
};

// A streamed answer as its client saw it.
struct StreamedAnswer {
  std::string error;             // empty when the answer is complete
  std::vector<TimePoint> texts;  // when each piece of text came
  TimePoint end;
  std::optional<TokenUsage> usage;
};

// A client of one server that speaks OpenAI's API; from any thread. Each call takes a new connection.
class OpenAiClient {
 public:
  struct Options {
    std::string url;  // "host:port", "https://host/v1" or another path in front of the endpoints
    std::string api_key;
    std::chrono::milliseconds timeout{600'000};  // without a byte
    const std::atomic<bool>* cancel = nullptr;
  };

  // Errors: kInvalidArgument for an address that is none.
  explicit OpenAiClient(Options options);

  // The address that endpoints stand under, fit to be shown.
  std::string shown_url() const { return base_.redacted(); }

  // Ids of GET models. Errors: kNetwork, kCancelled.
  std::vector<std::string> models() const;

  // POST `endpoint` ("chat/completions"), whole. Errors: kNetwork for anything but a 200, kCancelled.
  Json ask(const std::string& endpoint, const Json& body) const;

  // POST with "stream": true in `body`. What goes wrong is in the answer. Errors: kCancelled.
  StreamedAnswer stream(const std::string& endpoint, const Json& body) const;

 private:
  struct Reply;
  Json get_json(const std::string& method, const std::string& endpoint, const std::string& body) const;

  Options options_;
  Url base_;  // its target does not end in '/'
};

// The usage object of an answer; none where it has no counts.
std::optional<TokenUsage> usage_of(const Json& answer);

}  // namespace oag
