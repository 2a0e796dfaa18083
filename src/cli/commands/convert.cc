// oag convert: a model in another form or with other types.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <time.h>

#include <algorithm>

#include "api/model_path.h"
#include "base/clock.h"
#include "base/compute_pool.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "llm/bundle/convert.h"

namespace oag::cli {
namespace {

constexpr uint64_t kMaxThreads = 1024;
constexpr uint64_t kMaxShardMb = uint64_t{1} << 30;
// What takes more than this share of the time is the limit.
constexpr double kMost = 0.5;

struct ConvertFlags {
  std::string source, target, form, recipe, vision_recipe, vision_file;
  bool force = false;
  bool json = false;
  int threads = 0;
  uint64_t shard_mb = 5000;
};

double processor_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// What one call took.
class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  // Of the time that all threads had.
  double busy_share(int threads) const {
    return std::min(1.0, (processor_seconds() - processor_start_) / (seconds() * threads));
  }

 private:
  TimePoint start_ = Clock::now();
  double processor_start_ = processor_seconds();
};

std::string rate_text(uint64_t bytes, double seconds) {
  return format_bytes(static_cast<uint64_t>(static_cast<double>(bytes) / std::max(seconds, 1e-9))) + "/s";
}

int percent(double share) {
  return static_cast<int>(std::min(share, 1.0) * 100 + 0.5);
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<int64_t>(seconds + 0.5);
  if (whole < 60) return fmt::format("{} s", whole);
  return whole < 3600 ? fmt::format("{} min {} s", whole / 60, whole % 60)
                      : fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

// How far a conversion is, for the terminal.
class Display {
 public:
  void show(const ConvertProgress& progress) {
    if (first_bytes_ == kNone) {
      first_bytes_ = progress.done_bytes;
      watch_ = {};
    }
    const double seconds = watch_.seconds();
    const uint64_t fresh = progress.done_bytes - first_bytes_;
    std::string rest;
    if (fresh > 0 && seconds > 0.5) {
      const double left = static_cast<double>(progress.total_bytes - progress.done_bytes);
      rest = fmt::format("  {}, {} left", rate_text(fresh, seconds),
                         duration_text(left / static_cast<double>(fresh) * seconds));
    }
    bar_.update(fmt::format("tensor {} of {}", progress.tensor_number, progress.tensors), progress.done_bytes,
                progress.total_bytes, rest);
  }
  void clear() { bar_.clear(); }

 private:
  static constexpr uint64_t kNone = UINT64_MAX;

  ProgressBar bar_;
  uint64_t first_bytes_ = kNone;  // those of an earlier call do not count
  Stopwatch watch_;
};

ConvertOptions options_of(const ConvertFlags& flags) {
  ConvertOptions options;
  if (flags.form == "gguf") options.target = ConvertTarget::kGguf;
  if (flags.form == "safetensors") options.target = ConvertTarget::kHuggingFace;
  if (!flags.recipe.empty()) options.recipe = quant_recipe_from_name(flags.recipe);
  if (!flags.vision_recipe.empty()) options.vision_recipe = quant_recipe_from_name(flags.vision_recipe);
  options.vision_path = flags.vision_file;
  options.overwrite = flags.force;
  options.threads = flags.threads;
  options.shard_bytes = flags.shard_mb * 1'000'000;
  return options;
}

// What a conversion waited for. What is neither writing nor computing is reading, or other programs.
std::string_view limit_of(const ConvertReport& report, double seconds, double busy) {
  if (report.write_seconds > kMost * seconds) return "writing";
  return busy > kMost ? "processor" : "reading";
}

std::string_view limit_text(std::string_view limit) {
  if (limit == "processor") return "computing";
  return limit == "writing" ? "the disk (writing)" : "the disk (reading)";
}

Json report_json(const ConvertReport& report, const Stopwatch& watch, int threads) {
  Json files = Json::array();
  for (const ConvertedFile& file : report.files)
    files.push_back({{"path", file.path.string()}, {"bytes", file.bytes}});
  const double seconds = watch.seconds(), busy = watch.busy_share(threads);
  return {{"schema", "oag.convert/1"},
          {"files", std::move(files)},
          {"tensors", report.tensors},
          {"kept_tensors", report.kept_tensors},
          {"read_bytes", report.read_bytes},
          {"written_bytes", report.written_bytes},
          {"seconds", seconds},
          {"threads", threads},
          {"processor_share", busy},
          {"write_share", std::min(1.0, report.write_seconds / seconds)},
          {"limit", limit_of(report, seconds, busy)},
          {"peak_rss_mb", static_cast<double>(peak_memory_bytes()) / 1e6},
          {"warnings", report.warnings}};
}

void print_report(const ConvertReport& report, const Stopwatch& watch, int threads) {
  const double seconds = watch.seconds(), busy = watch.busy_share(threads);
  for (const ConvertedFile& file : report.files)
    fmt::print("{}  {}\n", file.path.string(), format_bytes(file.bytes));
  const std::string kept =
      report.kept_tensors > 0 ? fmt::format(", {} of them from before", report.kept_tensors) : "";
  print_stderr(
      "{} tensors{} in {:.1f} s: read {}, wrote {}; {} threads {} % busy, writing alone {} % of the time; "
      "the limit was {}\n",
      report.tensors, kept, seconds, rate_text(report.read_bytes, seconds),
      rate_text(report.written_bytes, seconds), threads, percent(busy),
      percent(report.write_seconds / seconds), limit_text(limit_of(report, seconds, busy)));
}

int convert(const ConvertFlags& flags) {
  ConvertOptions options = options_of(flags);
  const std::filesystem::path source = find_model_file(flags.source);
  const int threads = flags.threads > 0 ? flags.threads : allowed_processors();
  InterruptibleRun run;
  options.control = &run.control();
  const Stopwatch watch;
  Display display;
  options.on_progress = [&](const ConvertProgress& progress) { display.show(progress); };
  try {
    const ConvertReport report = convert_model(source, flags.target, options);
    display.clear();
    for (const std::string& warning : report.warnings) print_stderr("oag: warning: {}\n", printable(warning));
    if (flags.json) {
      print_json(report_json(report, watch, threads));
    } else {
      print_report(report, watch, threads);
    }
  } catch (const Error& error) {
    display.clear();
    if (error.code() != ErrorCode::kCancelled) throw;
    print_stderr(
        "oag: stopped; what is complete is kept beside {}, and the same command goes on from there\n",
        printable(flags.target));
    return kExitInterrupted;
  }
  return kExitOk;
}

std::string recipe_names() {
  std::vector<std::string_view> names;
  for (const QuantRecipeInfo& info : quant_recipes()) names.push_back(info.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

CLI::Validator recipe_name() {
  return {[](const std::string& text) {
            try {
              quant_recipe_from_name(text);
              return std::string();
            } catch (const Error& error) {
              return error.message();
            }
          },
          ""};
}

void declare(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<ConvertFlags>();
  CLI::App* command = app.add_subcommand("convert", "Write a model in another form or with other types");
  command->footer(
      "OUT that ends in .gguf becomes a GGUF file, and for a model that takes pictures a second one beside "
      "it,\n"
      "mmproj-OUT, with its vision tower; another OUT becomes a Hugging Face folder. Nothing stands under a\n"
      "final name before it is complete. A call that was stopped goes on where it was when it is repeated.\n"
      "Recipes: " +
      recipe_names() + ".");
  command
      ->add_option("SOURCE", flags->source, "A GGUF file, a Hugging Face folder, or a name that was pulled")
      ->required()
      ->check(not_empty());
  command->add_option("OUT", flags->target, "The file or folder to write")->required()->check(not_empty());
  command->add_option("--quant", flags->recipe, "How weights are stored; default: as they are")
      ->check(recipe_name());
  command
      ->add_option("--mmproj-quant", flags->vision_recipe,
                   "The same for the file of the vision tower; default: f16 from a folder")
      ->check(recipe_name());
  command->add_option("--mmproj", flags->vision_file,
                      "The vision tower of a GGUF source; default: the mmproj-….gguf beside it");
  command->add_option("--to", flags->form, "The form, whatever OUT's name says: gguf or safetensors")
      ->check(CLI::IsMember({"gguf", "safetensors"}));
  command->add_option("--shard-mb", flags->shard_mb, "The most that a safetensors file holds, in MB")
      ->check(whole_number(1, kMaxShardMb))
      ->capture_default_str();
  command->add_option("--threads", flags->threads, "Threads that compute; default: one a processor")
      ->check(whole_number(1, kMaxThreads));
  command->add_flag("--force", flags->force, "Replace what stands under OUT");
  command->add_flag("--json", flags->json, "Print one JSON object (docs/schemas/convert.json)");
  command->callback([flags, &exit_code] { exit_code = convert(*flags); });
}

}  // namespace

extern constinit const Command kConvertCommand = {declare};

}  // namespace oag::cli
