#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/samples.h"
#include "service/bench/openai_client.h"
#include "service/bench/prompt_maker.h"

namespace oag {

// The load that a server is put under.
struct ServerBenchPlan {
  std::vector<int64_t> clients = {1, 8};
  int64_t requests = 0;         // of each row; 0: four of each client
  double rate = 0;              // requests that come in a second; 0: a client asks again when it was answered
  int64_t prompt_tokens = 128;  // with the chat template's
  int64_t shared_prefix_tokens = 0;  // of them, the same in every prompt
  int64_t max_tokens = 64;           // of an answer
  bool ignore_eos = true;            // answers of exactly max_tokens, where the server knows that field
  bool chat = true;                  // chat/completions, else completions
  std::string model;                 // empty: the first that the server lists
  uint64_t seed = 1;
};

// What clients saw at one number of clients. Times are milliseconds.
struct ServerBenchRow {
  int64_t clients = 0;
  int64_t requests = 0;
  int64_t failed = 0;
  std::string first_error;  // of a request that failed
  double seconds = 0;       // from the first request to the last answer's end
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;
  int64_t completion_tokens = 0;
  Samples ttft;         // from the request (with a rate: from when it was due) to the first piece of text
  Samples inter_token;  // between pieces of text of one answer
  Samples latency;      // to the answer's end

  double requests_per_s() const { return seconds > 0 ? static_cast<double>(requests - failed) / seconds : 0; }
  double tokens_per_s() const { return seconds > 0 ? static_cast<double>(completion_tokens) / seconds : 0; }
};

// Measures a server from outside, with streams. The prompts' length is set by what the server counts, so any
// tokenizer will do.
class ServerBench {
 public:
  // Finds the model, and how many words make a prompt. Errors: kNetwork when the server cannot be reached or
  // refuses, kNotFound when it lists no model, kCancelled.
  ServerBench(OpenAiClient::Options client, ServerBenchPlan plan);

  const std::string& model() const { return plan_.model; }
  std::string url() const { return client_.shown_url(); }

  using OnProgress = std::function<void(int64_t done, int64_t total)>;  // requests; from several threads
  // Errors: kCancelled.
  ServerBenchRow run(int64_t clients, const OnProgress& on_progress);

 private:
  std::string endpoint() const { return plan_.chat ? "chat/completions" : "completions"; }
  Json request(const std::string& prompt, int64_t max_tokens) const;
  int64_t count_tokens(int64_t words);
  void find_words();
  StreamedAnswer measure(const std::string& prompt) const;

  const std::atomic<bool>* cancel_;
  OpenAiClient client_;
  ServerBenchPlan plan_;
  PromptMaker prompts_;
};

}  // namespace oag
