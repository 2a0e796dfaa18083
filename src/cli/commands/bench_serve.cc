// oag bench serve: how fast a server answers several clients at once.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <random>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "service/bench/server_bench.h"

namespace oag::cli {
namespace {

constexpr uint64_t kMaxClients = 1024;
constexpr uint64_t kMaxRequests = 1'000'000;
constexpr uint64_t kMaxTokens = uint64_t{1} << 20;

struct BenchServeFlags {
  std::string url = "http://127.0.0.1:8000";
  std::string clients = "1,8,32";  // a list
  std::string endpoint = "chat";
  ServerBenchPlan plan;
  uint64_t seed = 0;
  int64_t timeout_s = 600;
  bool stop_at_end = false;
  bool json = false;
};

// Milliseconds.
Json percentiles_json(const Samples& samples) {
  return {{"mean", samples.mean()},
          {"p50", samples.at(0.5)},
          {"p95", samples.at(0.95)},
          {"p99", samples.at(0.99)}};
}

Json row_json(const ServerBenchRow& row) {
  return {{"clients", row.clients},
          {"requests", row.requests},
          {"failed", row.failed},
          {"first_error", row.failed > 0 ? Json(row.first_error) : Json(nullptr)},
          {"seconds", row.seconds},
          {"requests_per_s", row.requests_per_s()},
          {"tokens_per_s", row.tokens_per_s()},
          {"prompt_tokens", row.prompt_tokens},
          {"cached_tokens", row.cached_tokens},
          {"completion_tokens", row.completion_tokens},
          {"ttft_ms", percentiles_json(row.ttft)},
          {"inter_token_ms", percentiles_json(row.inter_token)},
          {"latency_ms", percentiles_json(row.latency)}};
}

void print_json_report(const BenchServeFlags& flags, const ServerBench& bench,
                       const std::vector<ServerBenchRow>& rows) {
  Json list = Json::array();
  for (const ServerBenchRow& row : rows) list.push_back(row_json(row));
  const ServerBenchPlan& plan = flags.plan;
  print_json({{"schema", "oag.bench-serve/1"},
              {"url", bench.url()},
              {"model", bench.model()},
              {"endpoint", flags.endpoint},
              {"prompt_tokens", plan.prompt_tokens},
              {"shared_prefix_tokens", plan.shared_prefix_tokens},
              {"max_tokens", plan.max_tokens},
              {"ignore_eos", plan.ignore_eos},
              {"rate", plan.rate},
              {"seed", plan.seed},
              {"results", std::move(list)}});
}

std::vector<std::string> table_row(const ServerBenchRow& row) {
  const auto good = static_cast<double>(std::max<int64_t>(row.requests - row.failed, 1));
  const auto ms = [](const Samples& samples, double share) {
    return samples.size() == 0 ? std::string("-") : fmt::format("{:.1f}", samples.at(share));
  };
  return {std::to_string(row.clients),
          std::to_string(row.requests),
          std::to_string(row.failed),
          fmt::format("{:.2f}", row.requests_per_s()),
          fmt::format("{:.1f}", row.tokens_per_s()),
          ms(row.ttft, 0.5),
          ms(row.ttft, 0.95),
          ms(row.ttft, 0.99),
          ms(row.inter_token, 0.5),
          ms(row.inter_token, 0.95),
          ms(row.inter_token, 0.99),
          fmt::format("{:.0f}", static_cast<double>(row.prompt_tokens) / good),
          fmt::format("{:.0f}", static_cast<double>(row.cached_tokens) / good),
          fmt::format("{:.0f}", static_cast<double>(row.completion_tokens) / good)};
}

void print_table(const BenchServeFlags& flags, const ServerBench& bench,
                 const std::vector<ServerBenchRow>& rows) {
  const ServerBenchPlan& plan = flags.plan;
  fmt::print("server   {}, model {}\n", bench.url(), printable(bench.model()));
  fmt::print(
      "load     prompts of {} tokens{}, answers of {}{}; {}\n", plan.prompt_tokens,
      plan.shared_prefix_tokens > 0 ? fmt::format(" ({} of them shared)", plan.shared_prefix_tokens) : "",
      plan.ignore_eos ? "" : "at most ", plan.max_tokens,
      plan.rate > 0 ? fmt::format("{} requests a second", plan.rate)
                    : "each client asks again when it was answered");
  fmt::print("seed     {}\n\n", plan.seed);
  std::vector<std::vector<std::string>> table = {{"clients", "requests", "failed", "req/s", "tokens/s",
                                                  "TTFT p50", "p95", "p99", "ITL p50", "p95", "p99", "prompt",
                                                  "cached", "answer"}};
  for (const ServerBenchRow& row : rows) table.push_back(table_row(row));
  fmt::print(
      "{}\nTTFT: milliseconds to the first text; ITL: between two pieces of text. tokens/s: of answers, all "
      "clients\ntogether. prompt, cached, answer: tokens, means, as the server counts them\n",
      format_table(table));
}

void tell_failures(const std::vector<ServerBenchRow>& rows) {
  for (const ServerBenchRow& row : rows) {
    if (row.failed == 0) continue;
    print_stderr("oag: at {} clients {} of {} requests failed, the first with: {}\n", row.clients, row.failed,
                 row.requests, printable(row.first_error));
  }
}

int bench_serve(BenchServeFlags flags) {
  ServerBenchPlan& plan = flags.plan;
  plan.clients = read_whole_number_list(flags.clients);
  plan.chat = flags.endpoint == "chat";
  plan.ignore_eos = !flags.stop_at_end;
  // Of a server that was asked the same before, the cache would be measured.
  plan.seed = flags.seed != 0 ? flags.seed : std::random_device{}();
  if (plan.shared_prefix_tokens > plan.prompt_tokens) {
    usage_error("--shared-prefix", "is {} tokens, more than the {} of --prompt-tokens",
                plan.shared_prefix_tokens, plan.prompt_tokens);
  }
  const char* key = std::getenv("OPENAI_API_KEY");
  InterruptScope interrupt;
  ServerBench bench({.url = flags.url,
                     .api_key = key != nullptr ? key : "",
                     .timeout = std::chrono::seconds(flags.timeout_s),
                     .cancel = &InterruptScope::flag()},
                    plan);
  std::vector<ServerBenchRow> rows;
  {
    ProgressBar bar;
    std::mutex mutex;
    for (const int64_t clients : plan.clients) {
      rows.push_back(bench.run(clients, [&](int64_t done, int64_t total) {
        const std::lock_guard lock(mutex);
        bar.update_count(fmt::format("{} clients", clients), static_cast<uint64_t>(done),
                         static_cast<uint64_t>(total));
      }));
    }
  }
  flags.json ? print_json_report(flags, bench, rows) : print_table(flags, bench, rows);
  tell_failures(rows);
  const bool failed = std::any_of(rows.begin(), rows.end(), [](const auto& row) { return row.failed > 0; });
  return failed ? kExitFailure : kExitOk;
}

void declare(CLI::App& bench, int& exit_code) {
  auto flags = std::make_shared<BenchServeFlags>();
  CLI::App* command = bench.add_subcommand("serve", "Measure a server that speaks OpenAI's API");
  command->footer(
      "Streams answers to random prompts, for every number of clients at once. How many words make a prompt "
      "is\n"
      "found with two requests first. With --rate, requests come at that rate however slow the answers are, "
      "at\n"
      "most --clients at once, and times count from when a request was due. OPENAI_API_KEY is sent if it is "
      "set.\n"
      "Exit code 1 if a request failed.");
  ServerBenchPlan& plan = flags->plan;
  command
      ->add_option("--url", flags->url, "The server: http://HOST:PORT, or with the path before the endpoints")
      ->check(not_empty())
      ->capture_default_str();
  command->add_option("--model", plan.model, "Its name at the server (default: the first one listed)");
  command->add_option("--clients", flags->clients, "Clients at once, such as 1,8,32")
      ->type_name("N,N")
      ->check(whole_number_list(1, kMaxClients))
      ->capture_default_str();
  command->add_option("--requests", plan.requests, "Requests for each number of clients (default: 4 of each)")
      ->check(whole_number(1, kMaxRequests));
  command->add_option("--rate", plan.rate, "Requests a second (default: a client asks when it was answered)")
      ->check(number(0.001, 1e6));
  command->add_option("--prompt-tokens", plan.prompt_tokens, "Tokens of a prompt, its template's too")
      ->check(whole_number(1, kMaxTokens))
      ->capture_default_str();
  command->add_option("--shared-prefix", plan.shared_prefix_tokens, "Of them, the first so many are the same")
      ->check(whole_number(0, kMaxTokens))
      ->capture_default_str();
  command->add_option("--max-tokens", plan.max_tokens, "Tokens of an answer")
      ->check(whole_number(1, kMaxTokens))
      ->capture_default_str();
  command->add_flag("--stop-at-end", flags->stop_at_end,
                    "Let answers end early (default: \"ignore_eos\" is sent)");
  command->add_option("--endpoint", flags->endpoint, "Which endpoint is asked")
      ->check(CLI::IsMember({"chat", "completions"}))
      ->capture_default_str();
  command->add_option("--seed", flags->seed, "Of the prompts (default: another one every time)")
      ->check(whole_number(1, UINT64_MAX));
  command
      ->add_option("--timeout", flags->timeout_s, "Seconds without a byte after which a request has failed")
      ->check(whole_number(1, 86'400))
      ->capture_default_str();
  command->add_flag("--json", flags->json, "Print one JSON object (docs/schemas/bench-serve.json)");
  command->callback([flags, &exit_code] { exit_code = bench_serve(*flags); });
}

}  // namespace

extern constinit const Command kBenchServeCommand = {declare};

}  // namespace oag::cli
