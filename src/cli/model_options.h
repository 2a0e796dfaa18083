#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/session/runtime.h"
#include "engine/tensor/dtype.h"
#include "llm/bundle/bundle.h"
#include "llm/bundle/chat_messages.h"
#include "llm/generate/model_runner.h"

namespace oag::cli {

// The options of every command that loads a model to compute with it.
struct ModelOptions {
  std::string model;
  std::string device;
  int threads = 0;
  int64_t context_tokens = 0;  // 0: the model's, at most 4,096
  std::string cache = "f16";
  bool explain = false;
  bool autotune = false;
  std::vector<std::string> plugins;
  std::string policy;  // a file's path

  // MODEL and every option.
  void declare(CLI::App& command);
  // The same without --ctx, for commands that give it another meaning.
  void declare_without_context(CLI::App& command);
  // MODEL and where to compute, for commands that keep no attention cache.
  void declare_device(CLI::App& command);
  // MODEL, --device, --threads and --kv alone.
  void declare_machine(CLI::App& command);
  // Where to compute and --kv, without MODEL.
  void declare_compute(CLI::App& command);
  // Where to compute: --device and --threads.
  void declare_place(CLI::App& command);
  void declare_explain(CLI::App& command);
  // --plugin and --policy, for commands that run ONNX models.
  void declare_plugins(CLI::App& command);
  // --autotune, for commands whose speed matters.
  void declare_autotune(CLI::App& command);
};

// With --autotune: finds device and threads that run the model fastest, sets them and tells what was measured
// on standard error. Errors: as autotune (api/autotune.h).
void apply_autotune(ModelOptions& options);

// The one positional argument MODEL.
void declare_model(CLI::App& command, std::string& model);

// Options of pictures in prompts: --mmproj, --content-format, --max-pixels.
void declare_vision_file(CLI::App& command, std::string& file);
void declare_content_format(CLI::App& command, std::optional<ContentFormat>& format);
void declare_max_pixels(CLI::App& command, GlmImageOptions& options);

ModelBundle load_model(const ModelOptions& options, const BundleOptions& parts = {});
std::shared_ptr<Runtime> make_runtime(const ModelOptions& options);
// For after the load: one that fails says so in one line.
void warn_of_many_threads(const ModelOptions& options);
// Fails: `option` asks for more tokens than the model was trained for.
[[noreturn]] void fail_context(const ModelBundle& bundle, std::string_view option, int64_t asked);
// Errors: kInvalidArgument for a context that is longer than the model's.
RunnerOptions runner_options(const ModelOptions& options, const ModelBundle& bundle);

// --explain: which kernel runs each kind of node, and why others did not. To standard error.
void print_explain(const Program& program);

}  // namespace oag::cli
