// oag bench: how fast a model runs, and which part of the machine's own speed that is.
#include <fmt/format.h>

#include <algorithm>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/machine_report.h"
#include "cli/model_bench.h"
#include "cli/onnx_bench.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/terminal.h"

namespace oag::cli {

extern const Command kBenchServeCommand;

namespace {

constexpr uint64_t kMaxBatch = 256;
constexpr uint64_t kMaxTokens = uint64_t{1} << 20;

struct BenchFlags {
  ModelOptions model;
  BenchPlan plan;
  std::string batches = "1", contexts = "0";  // lists
  OnnxBenchFlags onnx;
  bool json = false;
};

Json result_json(const BenchResult& result, const ModelBench& bench, const MachineLimits& limits) {
  const double seconds = result.latency_ms.median() / 1e3;
  return {{"engine", bench.device().name()},
          {"name", result.prefill ? "prefill" : "decode"},
          {"tokens", result.tokens},
          {"batch", result.batch},
          {"context", result.context},
          {"load_ms", bench.load_ms()},
          {"ttft_ms", result.ttft_ms > 0 ? Json(result.ttft_ms) : Json(nullptr)},
          {"peak_rss_mb", static_cast<double>(result.peak_bytes) / 1e6},
          {"tokens_per_s", result.tokens_per_s()},
          {"latency_ms",
           {{"median", result.latency_ms.median()},
            {"p10", result.latency_ms.at(0.1)},
            {"p90", result.latency_ms.at(0.9)}}},
          {"bandwidth_share", bandwidth_share(result.work, seconds, limits)},
          {"compute_share", compute_share(result.work, seconds, limits)}};
}

Json explain_json(const std::vector<BenchResult>& results, const MachineLimits& limits) {
  Json list = Json::array();
  for (const BenchResult& result : results) {
    if (!result.breakdown) continue;
    Json each = {{"name", result.prefill ? "prefill" : "decode"},
                 {"tokens", result.tokens},
                 {"batch", result.batch},
                 {"context", result.context}};
    each.update(breakdown_json(*result.breakdown, limits));
    list.push_back(std::move(each));
  }
  return list;
}

void print_breakdowns(const std::vector<BenchResult>& results, const MachineLimits& limits) {
  for (const BenchResult& result : results) {
    if (!result.breakdown) continue;
    const std::string head =
        result.prefill ? fmt::format("prefill of {} tokens, batch {}, context {}", result.tokens,
                                     result.batch, result.context)
                       : fmt::format("a decode step, batch {}, context {}", result.batch, result.context);
    fmt::print("\n{}", breakdown_table(head, *result.breakdown, limits));
  }
}

void print_json_report(const ModelBench& bench, const std::vector<BenchResult>& results,
                       const MachineLimits& limits) {
  Json list = Json::array();
  for (const BenchResult& result : results) list.push_back(result_json(result, bench, limits));
  Json document = {{"schema", "oag.bench/1"},
                   {"machine", machine_json(bench.device(), limits)},
                   {"model", bench.bundle().name()},
                   {"precision", bench.bundle().precision()},
                   {"results", std::move(list)}};
  if (Json explained = explain_json(results, limits); !explained.empty())
    document["explain"] = std::move(explained);
  print_json(document);
}

void print_table(const ModelBench& bench, const std::vector<BenchResult>& results,
                 const MachineLimits& limits) {
  fmt::print("{}", machine_lines(bench.device(), limits));
  fmt::print("model      {}, loaded in {:.0f} ms\n", printable(bench.bundle().name()), bench.load_ms());
  fmt::print("precision  {}\n\n", bench.bundle().precision());
  std::vector<std::vector<std::string>> rows = {{"run", "batch", "context", "latency ms", "spread",
                                                 "tokens/s", "first token ms", "memory MB", "bandwidth",
                                                 "compute"}};
  for (const BenchResult& result : results) {
    const double seconds = result.latency_ms.median() / 1e3;
    rows.push_back({fmt::format("{} {}", result.prefill ? "prefill" : "decode", result.tokens),
                    std::to_string(result.batch), std::to_string(result.context),
                    fmt::format("{:.2f}", result.latency_ms.median()),
                    fmt::format("{:.1f} %", result.latency_ms.spread() * 100),
                    fmt::format("{:.1f}", result.tokens_per_s()),
                    result.ttft_ms > 0 ? fmt::format("{:.1f}", result.ttft_ms) : "-",
                    fmt::format("{:.0f}", static_cast<double>(result.peak_bytes) / 1e6),
                    fmt::format("{:.0f} %", bandwidth_share(result.work, seconds, limits) * 100),
                    fmt::format("{:.0f} %", compute_share(result.work, seconds, limits) * 100)});
  }
  fmt::print(
      "{}\nbandwidth, compute: the share that is used of what the machine can do; above 100 % where a model "
      "is small\nenough to stay in the processor's caches\n",
      format_table(rows));
  print_breakdowns(results, limits);
  if (!results.empty() && results.front().breakdown) {
    fmt::print(
        "\nms: a mean of the middle third of the samples; GB/s, Gop/s: what the operator must move and\n"
        "multiply; limit %: of what memory (mem) or arithmetic (ops) allow, whichever binds;\n"
        "above 100 where the values come from caches\n");
  }
}

void sort_unique(std::vector<int64_t>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

// An ONNX model's runs are short: more of them.
constexpr int kOnnxRepeats = 30;
constexpr const char* kLanguageOptions[] = {"--prefill", "--decode", "--batch",
                                            "--context", "--kv",     "--autotune"};

int bench_onnx_model(const BenchFlags& flags, const CLI::App& command) {
  for (const char* option : kLanguageOptions) {
    if (command.count(option) > 0)
      usage_error(option, "is for language models, {} is an ONNX model", cli::quoted(flags.model.model));
  }
  return bench_onnx(flags.onnx, flags.model,
                    command.count("--repeats") > 0 ? flags.plan.repeats : kOnnxRepeats, flags.json);
}

int bench(BenchFlags flags, const CLI::App& command) {
  if (flags.model.model.empty()) throw CLI::RequiredError("MODEL");
  if (is_onnx_file(flags.model.model)) return bench_onnx_model(flags, command);
  if (has_onnx_options(command))
    usage_error("--engine, --source, --input, --shape, --seed", "are for ONNX models, {} is none (.onnx)",
                cli::quoted(flags.model.model));
  BenchPlan& plan = flags.plan;
  plan.batches = read_whole_number_list(flags.batches);
  plan.contexts = read_whole_number_list(flags.contexts);
  sort_unique(plan.batches);
  sort_unique(plan.contexts);
  if (plan.prefill_tokens == 0 && plan.decode_tokens == 0)
    usage_error("--prefill, --decode", "are both 0: there is nothing to measure");
  apply_autotune(flags.model);
  InterruptibleRun run;
  ProgressBar bar;
  ModelBench model(flags.model, plan, run.control());
  if (flags.model.explain) print_explain(model.program());
  const std::vector<BenchResult> results = model.run([&](std::string_view what, int64_t done, int64_t total) {
    bar.update_count(what, static_cast<uint64_t>(done), static_cast<uint64_t>(total));
  });
  // Last, so that the memory that measuring takes is in no result.
  const MachineLimits limits = model.device().measure_limits();
  run.check();
  bar.clear();
  if (flags.json) {
    print_json_report(model, results, limits);
  } else {
    print_table(model, results, limits);
  }
  return kExitOk;
}

void declare(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* command =
      app.add_subcommand("bench", "Measure a model's speed on this machine, or a server's (oag bench serve)");
  command->footer(
      "prefill reads prompts, decode makes tokens one at a time; both for every batch (sequences at once) "
      "at\n"
      "every context (tokens that each sequence has behind it). Latency is the median: of reading all "
      "prompts\n"
      "of a batch, or of one step, which makes one token for each sequence. Spread is half the distance "
      "from\n"
      "the 10th to the 90th percentile, as a part of the median. First token: of prompts that come "
      "together.\n"
      "Memory is the process's peak so far. Bandwidth and compute say which part of the machine's own "
      "speed,\n"
      "measured here as well, is used: of reading memory (weights and cache that a step must read), and of\n"
      "multiply-adds. MB = 10^6 bytes. --explain adds where the time of each phase went, operator by "
      "operator.\n\n"
      "Of an ONNX model the time of one run is measured, on oag and on other engines in turns "
      "(docs/backends.md); inputs\n"
      "are drawn unless --input gives them.");
  flags->model.declare_without_context(*command);
  command->get_option("MODEL")->required(false);  // `bench serve` has none
  kBenchServeCommand.declare(*command, exit_code);
  flags->model.declare_autotune(*command);
  BenchPlan& plan = flags->plan;
  command->add_option("--prefill", plan.prefill_tokens, "Tokens of a prompt; 0: no prefill")
      ->check(whole_number(0, kMaxTokens))
      ->capture_default_str();
  command->add_option("--decode", plan.decode_tokens, "Tokens to make; 0: no decode")
      ->check(whole_number(0, kMaxTokens))
      ->capture_default_str();
  command->add_option("--batch", flags->batches, "Sequences at once, such as 1,4,8")
      ->type_name("N,N")
      ->check(whole_number_list(1, kMaxBatch))
      ->capture_default_str();
  command->add_option("--context", flags->contexts, "Tokens before, such as 0,1024")
      ->type_name("N,N")
      ->check(whole_number_list(0, kMaxTokens))
      ->capture_default_str();
  command
      ->add_option(
          "--repeats", plan.repeats,
          fmt::format("How often each is measured, after a warm-up ({} times for ONNX models)", kOnnxRepeats))
      ->check(whole_number(1, 100000))
      ->capture_default_str();
  declare_onnx_bench(*command, flags->onnx);
  command->add_flag("--json", flags->json, "Print one JSON object (docs/schemas/bench.json)");
  command->callback([flags, command, &exit_code] {
    if (command->get_subcommands().empty()) exit_code = bench(*flags, *command);
  });
}

}  // namespace

extern constinit const Command kBenchCommand = {declare};

}  // namespace oag::cli
