#include "cli/model_options.h"

#include <fmt/format.h>

#include "api/autotune.h"
#include "api/backends.h"
#include "api/model_path.h"
#include "base/compute_pool.h"
#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "engine/device/device_name.h"

namespace oag::cli {
namespace {

constexpr int64_t kDefaultContextTokens = 4096;
constexpr uint64_t kMostContextTokens = uint64_t{1} << 31;

// Empty when the text has the form of a device name, else what is wrong; a validator of CLI11.
std::string is_device_name(const std::string& text) {
  try {
    parse_device_name(text);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

// A device name that asks for this very version asks for nothing more.
std::string without_own_version(const std::string& device) {
  const DeviceName name = parse_device_name(device);
  if (name.engine != "oag" || name.version.empty()) return device;
  if (name.version != OAG_VERSION) {
    fail(ErrorCode::kUnsupported, "device " + device, "version {} is not {}, which this build is",
         name.version, OAG_VERSION);
  }
  return name.variant.empty() ? name.device : name.device + ":" + name.variant;
}

}  // namespace

void declare_model(CLI::App& command, std::string& model) {
  command
      .add_option("MODEL", model,
                  "A name that `oag models` lists, a GGUF file, a folder that holds exactly one (an mmproj\n"
                  "beside it does not count), or a Hugging Face folder (config.json and safetensors)")
      ->required()
      ->check(not_empty());
}

void ModelOptions::declare(CLI::App& command) {
  declare_without_context(command);
  command
      .add_option("--ctx", context_tokens,
                  "Longest prompt and answer together, in tokens (default: the model's, at most 4096)")
      ->check(whole_number(1, kMostContextTokens));
}

void ModelOptions::declare_device(CLI::App& command) {
  declare_model(command, model);
  declare_place(command);
}

void ModelOptions::declare_machine(CLI::App& command) {
  declare_model(command, model);
  declare_compute(command);
}

void ModelOptions::declare_compute(CLI::App& command) {
  declare_place(command);
  command.add_option("--kv", cache, "Storage of the attention cache")
      ->check(CLI::IsMember({"f32", "f16", "q8_0"}))
      ->capture_default_str();
}

void ModelOptions::declare_place(CLI::App& command) {
  command
      .add_option(
          "--device", device,
          "Where to compute: ENGINE[@VERSION][/DEVICE[:VARIANT]], such as cpu, cpu:avx2 or onnxruntime")
      ->check(is_device_name);
  command.add_option("--threads", threads, "Threads that compute (default: every processor of this process)")
      ->check(whole_number(1, 4096));
}

void ModelOptions::declare_without_context(CLI::App& command) {
  declare_machine(command);
  declare_explain(command);
}

void ModelOptions::declare_explain(CLI::App& command) {
  command.add_flag("--explain", explain,
                   "Show which kernel runs each kind of operator, and why others do not");
}

void ModelOptions::declare_plugins(CLI::App& command) {
  command
      .add_option("--plugin", plugins,
                  "A shared library of custom operators (docs/plugins.md); once for each")
      ->type_name("FILE")
      ->allow_extra_args(false)
      ->check(not_empty());
  command
      .add_option("--policy", policy,
                  "Which nodes go to other engines, such as ONNX Runtime: a JSON file (docs/backends.md)")
      ->type_name("FILE")
      ->check(not_empty());
}

void ModelOptions::declare_autotune(CLI::App& command) {
  command.add_flag(
      "--autotune", autotune,
      "Time instruction sets and numbers of threads on this model, take the fastest and keep the\n"
      "choice for the next --autotune on this processor with this --kv; --device and --threads are kept.\n"
      "What is timed is a short context, not the one asked for");
}

void declare_vision_file(CLI::App& command, std::string& file) {
  command.add_option("--mmproj", file,
                     "GGUF file of the vision tower (default: the mmproj file beside the model)");
}

void declare_content_format(CLI::App& command, std::optional<ContentFormat>& format) {
  command
      .add_option_function<std::string>(
          "--content-format",
          [&format](const std::string& name) {
            format.reset();
            if (name != "auto") format = name == "list" ? ContentFormat::kList : ContentFormat::kString;
          },
          "How pictures stand before the text: list, as in transformers; string, with a newline after\n"
          "each, as vLLM's --chat-template-content-format string has it; auto: string for AutoGLM, else list")
      ->check(CLI::IsMember({"auto", "list", "string"}))
      ->default_str("auto");
}

void declare_max_pixels(CLI::App& command, GlmImageOptions& options) {
  command
      .add_option(
          "--max-pixels", options.max_pixels,
          "Most pixels of a picture, which is made smaller to keep to it; each counts twice, as in the\n"
          "model's own budget: 5000000 makes 1036x2352 of 1080x2400 (default: the model's, 9633792 for\n"
          "GLM-4.1V; its least, 12544 there, is the least here)")
      ->check(whole_number(1, uint64_t{1} << 32));
}

void apply_autotune(ModelOptions& options) {
  if (!options.autotune) return;
  InterruptibleRun run;
  const TuningCache cache(tuning_cache_path());
  const Tuning tuning =
      autotune(load_model(options),
               {without_own_version(options.device), options.threads, *dtype_from_name(options.cache)}, cache,
               run.control());
  run.check();
  std::vector<std::vector<std::string>> rows = {
      {"autotune", "threads", "prefill tokens/s", "decode tokens/s", ""}};
  for (const TuningSample& sample : tuning.measured) {
    rows.push_back({sample.candidate.variant, std::to_string(sample.candidate.threads),
                    fmt::format("{:.1f}", sample.prefill_tokens_per_s),
                    fmt::format("{:.1f}", sample.decode_tokens_per_s),
                    sample.candidate == tuning.choice ? "chosen" : ""});
  }
  if (rows.size() > 1) {
    write_stderr(format_table(rows));
  } else {
    print_stderr("autotune: {}, {}{}\n", tuning.choice.variant,
                 tuning.choice.threads == 1 ? "1 thread" : fmt::format("{} threads", tuning.choice.threads),
                 tuning.from_cache ? fmt::format(" (measured before: {})", printable(cache.path().string()))
                                   : ", as asked for");
  }
  options.device = tuning.device();
  options.threads = tuning.choice.threads;
}

ModelBundle load_model(const ModelOptions& options, const BundleOptions& parts) {
  return load_bundle(find_model_file(options.model), parts);
}

std::shared_ptr<Runtime> make_runtime(const ModelOptions& options) {
  return std::make_shared<Runtime>(
      RuntimeOptions{default_backends(), without_own_version(options.device), options.threads});
}

void warn_of_many_threads(const ModelOptions& options) {
  const int allowed = allowed_processors();
  if (options.threads <= allowed) return;
  print_stderr("oag: warning: {} threads share {}; more threads than processors make it slower\n",
               options.threads, allowed == 1 ? "one processor" : fmt::format("{} processors", allowed));
}

void fail_context(const ModelBundle& bundle, std::string_view option, int64_t asked) {
  fail(ErrorCode::kInvalidArgument, bundle.path.string(),
       "was trained for a context of {} tokens, {} are asked for; use {} of at most {}",
       bundle.config.context_tokens, asked, option, bundle.config.context_tokens);
}

RunnerOptions runner_options(const ModelOptions& options, const ModelBundle& bundle) {
  if (options.context_tokens > bundle.config.context_tokens)
    fail_context(bundle, "--ctx", options.context_tokens);
  RunnerOptions runner;
  runner.context_tokens = options.context_tokens > 0
                              ? options.context_tokens
                              : std::min(bundle.config.context_tokens, kDefaultContextTokens);
  runner.cache_dtype = *dtype_from_name(options.cache);
  return runner;
}

void print_explain(const Program& program) {
  std::vector<std::vector<std::string>> rows = {
      {"operator", "inputs", "nodes", "device", "kernel", "refused, or why there"}};
  for (const ExplainRow& row : explain(program)) {
    std::string why = fmt::format("{}", fmt::join(row.refusals, "; "));
    if (!row.reason.empty()) why = printable(row.reason);
    rows.push_back({row.op, row.types, std::to_string(row.nodes), row.device, row.kernel, std::move(why)});
  }
  write_stderr(format_table(rows));
  for (const KeptNodes& kept : program.kept) {
    print_stderr("stays here: {} ({} {}), because {}\n", kept.op, kept.nodes,
                 kept.nodes == 1 ? "node" : "nodes", printable(kept.refusal));
  }
}

}  // namespace oag::cli
