// oag verify: ONNX models against stored inputs and outputs.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "cli/case_runner.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/terminal.h"

namespace oag::cli {
namespace {

using Status = CaseResult::Status;

constexpr double kLongestTimeout = 86400;
constexpr const char* kBest = "best";
constexpr const char* kReference = "reference";

struct VerifyFlags {
  ModelOptions place;
  std::vector<std::string> folders;
  std::string manifest;
  Tolerance tolerance;
  std::string kernels = kBest;
  double timeout_s = 60;
  bool json = false;
};

struct Counts {
  int passed = 0, failed = 0, skipped = 0;
  double ms = 0;

  void add(const CaseResult& result) {
    ++(result.status == Status::kPassed ? passed : result.status == Status::kFailed ? failed : skipped);
    ms += result.ms;
  }
  std::string text() const {
    return fmt::format("{} passed, {} failed, {} skipped", passed, failed, skipped);
  }
};

struct Report {
  std::vector<ModelCase> cases;
  std::vector<CaseResult> results;  // of each case

  Counts total() const {
    Counts counts;
    for (const CaseResult& result : results) counts.add(result);
    return counts;
  }

  std::vector<std::pair<std::string, Counts>> by_kind() const {
    std::vector<std::pair<std::string, Counts>> kinds;
    for (size_t i = 0; i < cases.size(); ++i) {
      const auto same = std::find_if(kinds.begin(), kinds.end(),
                                     [&](const auto& kind) { return kind.first == cases[i].kind; });
      auto& counts = same == kinds.end() ? kinds.emplace_back(cases[i].kind, Counts()) : *same;
      counts.second.add(results[i]);
    }
    return kinds;
  }
};

std::string_view status_name(Status status) {
  return status == Status::kPassed ? "passed" : status == Status::kFailed ? "failed" : "skipped";
}

Report run_cases(const VerifyFlags& flags, std::vector<ModelCase> cases) {
  CompileSetup setup(flags.place);
  setup.kernels = flags.kernels == kBest ? KernelChoice::kBest : KernelChoice::kReference;
  const std::shared_ptr<Runtime> runtime = make_runtime(flags.place);
  const auto limit =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(flags.timeout_s));
  Report report{std::move(cases), {}};
  InterruptibleRun run;
  ProgressBar progress;
  for (const ModelCase& each : report.cases) {
    progress.update_count("verifying", report.results.size(), report.cases.size());
    report.results.push_back(InterruptScope::interrupted()
                                 ? CaseResult{}
                                 : run_case(each, runtime, setup, run.renew(Clock::now() + limit)));
  }
  progress.clear();
  return report;
}

void print_report(const Report& report) {
  bool any = false;
  for (size_t i = 0; i < report.cases.size(); ++i) {
    if (report.results[i].status != Status::kFailed) continue;
    fmt::print("FAILED {}: {}\n", printable(report.cases[i].name), report.results[i].reason);
    any = true;
  }
  std::vector<std::vector<std::string>> rows = {{"kind", "cases", "passed", "failed", "skipped", "seconds"}};
  for (const auto& [kind, counts] : report.by_kind()) {
    rows.push_back({kind.empty() ? "(in no manifest)" : printable(kind),
                    std::to_string(counts.passed + counts.failed + counts.skipped),
                    std::to_string(counts.passed), std::to_string(counts.failed),
                    std::to_string(counts.skipped), fmt::format("{:.1f}", counts.ms / 1e3)});
  }
  fmt::print("{}{}\n{}\n", any ? "\n" : "", format_table(rows), report.total().text());
}

Json counts_json(const Counts& counts) {
  return {{"passed", counts.passed}, {"failed", counts.failed}, {"skipped", counts.skipped}};
}

void print_json_report(const VerifyFlags& flags, const Report& report) {
  Json kinds = Json::array(), cases = Json::array();
  for (const auto& [kind, counts] : report.by_kind()) {
    Json row = {{"kind", kind.empty() ? Json(nullptr) : Json(kind)}};
    row.update(counts_json(counts));
    kinds.push_back(std::move(row));
  }
  for (size_t i = 0; i < report.cases.size(); ++i) {
    const ModelCase& each = report.cases[i];
    const CaseResult& result = report.results[i];
    cases.push_back({{"name", each.name},
                     {"path", each.folder.string()},
                     {"kind", each.kind.empty() ? Json(nullptr) : Json(each.kind)},
                     {"status", status_name(result.status)},
                     {"reason", result.reason.empty() ? Json(nullptr) : Json(result.reason)},
                     {"ms", result.ms}});
  }
  Json document = {{"schema", "oag.verify/1"}, {"kernels", flags.kernels}};
  document.update(counts_json(report.total()));
  document["kinds"] = std::move(kinds);
  document["cases"] = std::move(cases);
  print_json(document);
}

int verify(const VerifyFlags& flags) {
  ModelCaseOptions options{{flags.folders.begin(), flags.folders.end()}, flags.manifest, flags.tolerance};
  const Report report = run_cases(flags, find_model_cases(options));
  if (flags.json) {
    print_json_report(flags, report);
  } else {
    print_report(report);
  }
  const Counts total = report.total();
  if (total.skipped > 0) return kExitInterrupted;
  return total.failed > 0 ? kExitNegative : kExitOk;
}

void declare(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<VerifyFlags>();
  CLI::App* command = app.add_subcommand("verify", "Check ONNX models against stored inputs and outputs");
  command->footer(
      "A case is a folder with model.onnx and test_data_set_N/input_K.pb, output_K.pb, as ONNX's own tests\n"
      "are laid out; input K is the model's K-th input that is no initializer. Types and shapes have to be\n"
      "equal, numbers near: |x - y| <= ATOL + RTOL * |y|, for bfloat16 with an RTOL of at least 2^-6. A\n"
      "manifest.json gives tolerances by case and says whose values are random, of which type and shape\n"
      "alone are compared. The exit code is 3 when a case fails.");
  command->add_option("CASE_DIR", flags->folders, "Folders of cases, or folders that hold such at any depth")
      ->required()
      ->check(not_empty());
  command->add_flag("--json", flags->json, "Print one JSON object (docs/schemas/verify.json)");
  command
      ->add_option("--manifest", flags->manifest,
                   "The manifest (default: the nearest manifest.json from the case's folder upwards)")
      ->type_name("FILE")
      ->check(not_empty());
  command
      ->add_option("--rtol", flags->tolerance.relative, "Relative tolerance of cases that no manifest lists")
      ->check(number(0, 1e30))
      ->capture_default_str();
  command
      ->add_option("--atol", flags->tolerance.absolute, "Absolute tolerance of cases that no manifest lists")
      ->check(number(0, 1e30))
      ->capture_default_str();
  command
      ->add_option(
          "--kernels", flags->kernels,
          "best: those that oag infer runs; reference: each operator's plain definition, which is slow")
      ->check(CLI::IsMember({kBest, kReference}))
      ->capture_default_str();
  flags->place.declare_plugins(*command);
  command->add_option("--timeout", flags->timeout_s, "Seconds after which a case fails")
      ->type_name("S")
      ->check(number(0, kLongestTimeout))
      ->capture_default_str();
  flags->place.declare_place(*command);
  command->callback([flags, &exit_code] { exit_code = verify(*flags); });
}

}  // namespace

extern constinit const Command kVerifyCommand = {declare};

}  // namespace oag::cli
