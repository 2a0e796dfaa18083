// oag pull: brings a model into the cache.
#include <fmt/format.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "service/hub/hub.h"
#if OAG_ENGINE
#include "engine/formats/gguf/gguf_file.h"
#include "llm/bundle/bundle.h"
#endif

namespace oag::cli {
namespace {

struct PullFlags {
  std::string source;
  bool force = false;
};

#if OAG_ENGINE
// A part of a split model is looked at on its own: its parts are pulled one after the other.
void check_model_file(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  GgufFile::parse(file->bytes(), path.string());
}

// A file may be worth keeping though this version cannot run it.
void warn_unless_it_runs(const std::filesystem::path& path) {
  try {
    load_bundle(path);
  } catch (const Error& error) {
    print_stderr("oag: warning: it is stored, but `oag run` cannot run it: {}\n", printable(error.message()));
  }
}
#endif

int pull(const PullFlags& flags) {
  InterruptScope interrupt;
  std::filesystem::path path;
  {
    ProgressBar bar;
    PullOptions options;
    options.force = flags.force;
    options.cancel = &InterruptScope::flag();
#if OAG_ENGINE
    options.check = check_model_file;
#endif
    options.on_progress = [&](const PullProgress& progress) {
      bar.update(pull_stage_name(progress.stage), progress.done_bytes, progress.total_bytes);
    };
    path = Hub::open().pull(flags.source, options);
  }
  std::error_code error;
  print_stderr("{} is ready, {}\n", printable(path.filename().string()),
               format_bytes(std::filesystem::file_size(path, error)));
#if OAG_ENGINE
  warn_unless_it_runs(path);
#endif
  fmt::print("{}\n", path.string());
  return kExitOk;
}

void declare(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<PullFlags>();
  CLI::App* command = app.add_subcommand("pull", "Bring a model into the cache");
  command->footer(
      "Prints the path of the model's file. A file that is there and right is not fetched again.\n"
      "Nothing but a complete, right file ever stands under its final name.");
  command
      ->add_option(
          "MODEL", flags->source,
          "A name that `oag models` lists, the path of a GGUF file, which is copied, or an https URL")
      ->required()
      ->check(not_empty());
  command->add_flag("--force", flags->force,
                    "Fetch again what is there already; replace another file of the same name");
  command->callback([flags, &exit_code] { exit_code = pull(*flags); });
}

}  // namespace

extern constinit const Command kPullCommand = {declare};

}  // namespace oag::cli
