#include "service/bench/server_bench.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <thread>

#include "base/error.h"

namespace oag {
namespace {

constexpr auto kLook = std::chrono::milliseconds(20);  // how soon a cancel is seen while waiting

// Gathers what the clients of a row see, from their threads.
class RowBuilder {
 public:
  explicit RowBuilder(int64_t clients) { row_.clients = clients; }

  // Returns how many requests have ended.
  int64_t add(const StreamedAnswer& answer, TimePoint due) {
    const std::lock_guard lock(mutex_);
    last_end_ = std::max(last_end_, answer.end);
    ++row_.requests;
    if (answer.error.empty()) {
      add_good(answer, due);
    } else {
      ++row_.failed;
      if (row_.first_error.empty()) row_.first_error = answer.error;
    }
    return row_.requests;
  }

  ServerBenchRow finish(TimePoint start) {
    row_.inter_token.add(gaps_);
    row_.seconds = elapsed_ms(start, last_end_) / 1e3;
    return std::move(row_);
  }

 private:
  void add_good(const StreamedAnswer& answer, TimePoint due) {
    // A server that gives no counts is taken at its pieces.
    const TokenUsage usage =
        answer.usage.value_or(TokenUsage{.completion_tokens = static_cast<int64_t>(answer.texts.size())});
    row_.prompt_tokens += usage.prompt_tokens;
    row_.cached_tokens += usage.cached_tokens;
    row_.completion_tokens += usage.completion_tokens;
    row_.ttft.add(elapsed_ms(due, answer.texts.front()));
    row_.latency.add(elapsed_ms(due, answer.end));
    for (size_t k = 1; k < answer.texts.size(); ++k) {
      gaps_.push_back(elapsed_ms(answer.texts[k - 1], answer.texts[k]));
    }
  }

  std::mutex mutex_;
  ServerBenchRow row_;
  std::vector<double> gaps_;
  TimePoint last_end_{};
};

// Runs `work` on `count` threads and waits for them; the first exception of one tells the others to stop.
void run_on_threads(int64_t count, std::atomic<bool>& stop, const std::function<void()>& work) {
  std::mutex mutex;
  std::exception_ptr failure;
  const auto guarded = [&] {
    try {
      work();
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      stop = true;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int64_t i = 0; i < count; ++i) threads.emplace_back(guarded);
  }
  if (failure) std::rethrow_exception(failure);
}

// When each request is due, in order: arrivals of a Poisson process.
std::vector<TimePoint> arrivals(TimePoint start, double rate, int64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::exponential_distribution<double> gap(rate);
  std::vector<TimePoint> due;
  double at = 0;
  for (int64_t i = 0; i < count; ++i) {
    due.push_back(start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(at)));
    at += gap(random);
  }
  return due;
}

}  // namespace

ServerBench::ServerBench(OpenAiClient::Options client, ServerBenchPlan plan)
    : cancel_(client.cancel), client_(std::move(client)), plan_(std::move(plan)), prompts_(plan_.seed) {
  if (plan_.model.empty()) {
    const std::vector<std::string> models = client_.models();
    if (models.empty()) fail(ErrorCode::kNotFound, client_.shown_url(), "lists no model; name one (--model)");
    plan_.model = models.front();
  }
  find_words();
}

Json ServerBench::request(const std::string& prompt, int64_t max_tokens) const {
  Json body = {{"model", plan_.model}, {"max_tokens", max_tokens}, {"temperature", 0}};
  if (plan_.chat) {
    body["messages"] = {{{"role", "user"}, {"content", prompt}}};
  } else {
    body["prompt"] = prompt;
  }
  return body;
}

int64_t ServerBench::count_tokens(int64_t words) {
  std::mt19937_64 random(plan_.seed ^ static_cast<uint64_t>(words));
  const Json answer = client_.ask(endpoint(), request(random_words(random, words), 1));
  const auto usage = usage_of(answer);
  if (!usage || usage->prompt_tokens == 0) {
    fail(ErrorCode::kNetwork, client_.shown_url(),
         "gives no usage.prompt_tokens, which the prompts' length is set by");
  }
  return usage->prompt_tokens;
}

// Two counts give the template's tokens and those of a word. They also warm the server up.
void ServerBench::find_words() {
  const int64_t few = 1, many = std::max<int64_t>(plan_.prompt_tokens, 16);
  const auto at_few = static_cast<double>(count_tokens(few));
  const double per_word =
      (static_cast<double>(count_tokens(many)) - at_few) / static_cast<double>(many - few);
  const double around = at_few - per_word * static_cast<double>(few);
  const auto words_of = [&](double tokens) {
    return static_cast<int64_t>(std::llround(std::max(tokens, 0.0) / std::max(per_word, 0.1)));
  };
  const auto prompt = static_cast<double>(plan_.prompt_tokens);
  const auto shared = static_cast<double>(plan_.shared_prefix_tokens);
  const int64_t shared_words = words_of(shared - around);
  prompts_.set_words(shared_words, std::max<int64_t>(words_of(prompt - around) - shared_words, 1));
}

StreamedAnswer ServerBench::measure(const std::string& prompt) const {
  Json body = request(prompt, plan_.max_tokens);
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};
  if (plan_.ignore_eos) body["ignore_eos"] = true;
  return client_.stream(endpoint(), body);
}

ServerBenchRow ServerBench::run(int64_t clients, const OnProgress& on_progress) {
  const int64_t count = plan_.requests > 0 ? plan_.requests : 4 * clients;
  std::vector<std::string> prompts;
  for (int64_t i = 0; i < count; ++i) prompts.push_back(prompts_.next());

  std::atomic<int64_t> next{0};
  std::atomic<bool> stop{false};
  const auto stopped = [&] { return stop || (cancel_ != nullptr && *cancel_); };
  RowBuilder row(clients);
  const TimePoint start = Clock::now();
  const bool timed = plan_.rate > 0;
  const std::vector<TimePoint> due =
      timed ? arrivals(start, plan_.rate, count, plan_.seed) : std::vector<TimePoint>();
  run_on_threads(std::min(clients, count), stop, [&] {
    for (int64_t i = next++; i < count && !stopped(); i = next++) {
      const auto index = static_cast<size_t>(i);
      while (timed && Clock::now() < due[index] && !stopped()) {
        std::this_thread::sleep_until(std::min(due[index], Clock::now() + kLook));
      }
      const TimePoint begin = timed ? due[index] : Clock::now();
      on_progress(row.add(measure(prompts[index]), begin), count);
    }
  });
  if (stopped()) fail(ErrorCode::kCancelled, client_.shown_url(), "cancelled");
  return row.finish(start);
}

}  // namespace oag
